package millstream;

import static millstream.Conformance.holds;
import static millstream.Conformance.same;

import com.amazonaws.services.kinesis.AmazonKinesis;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import software.amazon.awssdk.services.kinesis.model.ChildShard;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ScalingType;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StartingPosition;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent;

/** Readers that stay, as the KCL's do: past the end of a subscription's life, and through the ends of shards. */
final class Followers {
    private static final int KEYS = 8;
    private static final long PATIENCE_MILLIS = 120_000;

    private final Clients clients;
    private final Subscriptions subscriptions;
    private final AmazonKinesis one;

    Followers(Clients clients, Server server) {
        this.clients = clients;
        subscriptions = new Subscriptions(clients);
        one = new VersionOne(clients, server).kinesis;
    }

    void addTo(Map<String, Conformance.Check> checks) {
        checks.put("records put by version 1 are followed by version 2 through reshards", this::reshards);
        checks.put("a subscription that has lived its life is followed by the next", this::renewal);
    }

    private void put(String stream, String key, int number) {
        one.putRecord(stream, ByteBuffer.wrap(Integer.toString(number).getBytes(StandardCharsets.UTF_8)), key);
    }

    /** A subscription ends after five minutes without an error, and the next goes on where its last event was. */
    private void renewal() throws Exception {
        String stream = "renewed";
        String consumer = subscriptions.consumer(stream);
        var start = StartingPosition.builder().type(ShardIteratorType.TRIM_HORIZON).build();
        List<Integer> found = new ArrayList<>();
        int put = 0;
        for (int life = 0; life < 2; life++) {
            var subscription = subscriptions.new Subscription(consumer, Records.SHARD, start);
            SubscribeToShardEvent last = null;
            while (true) {
                // A second life is long enough when it has brought something.
                if (life == 1 && found.size() == put) {
                    subscription.ended.cancel(true);
                    break;
                }
                if (put < 1_000) {
                    put(stream, "k", put++);
                }
                boolean over = subscription.ended.isDone();
                SubscribeToShardEvent event = subscription.events.poll(1, TimeUnit.SECONDS);
                if (event != null) {
                    event.records().forEach(record -> found.add(Integer.parseInt(record.data().asUtf8String())));
                    last = event;
                } else if (over) {
                    subscription.ended.get();
                    // While nobody listens.
                    put(stream, "k", put++);
                    break;
                }
            }
            holds(last != null, "events came");
            start = StartingPosition.builder().type(ShardIteratorType.AFTER_SEQUENCE_NUMBER)
                    .sequenceNumber(last.continuationSequenceNumber()).build();
        }
        same(found, numbers(put));
    }

    private static List<Integer> numbers(int count) {
        List<Integer> numbers = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            numbers.add(number);
        }
        return numbers;
    }

    /** Every record that was acknowledged comes once, those of a key in order, whatever becomes of the shards. */
    private void reshards() throws Exception {
        String stream = "followed-through";
        String consumer = subscriptions.consumer(stream);
        AtomicBoolean enough = new AtomicBoolean();
        var writing = CompletableFuture.supplyAsync(() -> {
            int count = 0;
            while (!enough.get()) {
                for (int key = 0; key < KEYS; key++) {
                    put(stream, "key-" + key, count);
                }
                count++;
            }
            return count;
        });
        var following = new Following(consumer);
        try {
            for (int shards : new int[] {2, 4, 3, 2, 1}) {
                clients.blocking.updateShardCount(request -> request.streamName(stream).targetShardCount(shards)
                        .scalingType(ScalingType.UNIFORM_SCALING));
                while (clients.blocking.describeStreamSummary(request -> request.streamName(stream))
                        .streamDescriptionSummary().streamStatusAsString().equals("UPDATING")) {
                    following.read();
                }
            }
        } finally {
            enough.set(true);
        }
        int count = writing.get();
        long deadline = System.currentTimeMillis() + PATIENCE_MILLIS;
        while (following.found < count * KEYS) {
            holds(System.currentTimeMillis() < deadline, "all came in time: " + following.found + " of " + count * KEYS);
            following.read();
        }
        following.stop();
        holds(following.seen.size() > 5, "shards have ended and begun: " + following.seen);
        same(following.byKey.size(), KEYS);
        for (Map.Entry<String, List<Integer>> key : following.byKey.entrySet()) {
            same(key.getValue(), numbers(count));
        }
    }

    /** Subscriptions to all shards of a stream, a child's when its parents have ended. */
    private final class Following {
        final Map<String, List<Integer>> byKey = new HashMap<>();
        final Set<String> seen = new HashSet<>();
        int found;
        private final String consumer;
        private final Set<String> ended = new HashSet<>();
        private final Map<String, Subscriptions.Subscription> live = new LinkedHashMap<>();

        Following(String consumer) {
            this.consumer = consumer;
            begin(Records.SHARD);
        }

        private void begin(String shard) {
            if (seen.add(shard)) {
                var start = StartingPosition.builder().type(ShardIteratorType.TRIM_HORIZON).build();
                live.put(shard, subscriptions.new Subscription(consumer, shard, start));
            }
        }

        /** Takes what is there from each shard. */
        void read() throws Exception {
            List<ChildShard> children = new ArrayList<>();
            for (Iterator<Map.Entry<String, Subscriptions.Subscription>> each = live.entrySet().iterator(); each.hasNext();) {
                var shard = each.next();
                boolean over = shard.getValue().ended.isDone();
                SubscribeToShardEvent event = shard.getValue().events.poll(20, TimeUnit.MILLISECONDS);
                if (event == null) {
                    holds(!over, "the subscription to " + shard.getKey() + " goes on");
                    continue;
                }
                event.records().forEach(this::take);
                if (event.hasChildShards() && !event.childShards().isEmpty()) {
                    ended.add(shard.getKey());
                    children.addAll(event.childShards());
                    each.remove();
                }
            }
            // The last of its parents to end names a child when all of them have.
            children.stream().filter(child -> ended.containsAll(child.parentShards())).map(ChildShard::shardId).forEach(this::begin);
        }

        private void take(Record record) {
            byKey.computeIfAbsent(record.partitionKey(), key -> new ArrayList<>()).add(Integer.parseInt(record.data().asUtf8String()));
            found++;
        }

        void stop() {
            live.values().forEach(subscription -> subscription.ended.cancel(true));
        }
    }
}
