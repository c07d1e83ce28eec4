package millstream;

import static millstream.Conformance.holds;
import static millstream.Conformance.refused;
import static millstream.Conformance.same;

import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.model.ConsumerStatus;
import software.amazon.awssdk.services.kinesis.model.ResourceInUseException;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StartingPosition;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardResponseHandler;

/** SubscribeToShard through the async client: an event stream of CBOR over HTTP/2. */
final class Subscriptions {
    private static final long PATIENCE_SECONDS = 60;

    private final Clients clients;

    Subscriptions(Clients clients) {
        this.clients = clients;
    }

    void addTo(Map<String, Conformance.Check> checks) {
        checks.put("the async client puts and describes over HTTP/2", this::overHttp2);
        checks.put("a subscription gets records from before and from now", this::subscribe);
        checks.put("a subscription that is taken over is told so", this::takeOver);
        checks.put("a subscription to what is not there is refused", this::refusedSubscription);
    }

    /** A subscription, its events as they come, and how it ended. */
    final class Subscription {
        final BlockingQueue<SubscribeToShardEvent> events = new LinkedBlockingQueue<>();
        final CountDownLatch begun = new CountDownLatch(1);
        final CompletableFuture<Void> ended;

        Subscription(String consumer, ShardIteratorType start) {
            this(consumer, Records.SHARD, StartingPosition.builder().type(start).build());
        }

        Subscription(String consumer, String shard, StartingPosition start) {
            var handler = SubscribeToShardResponseHandler.builder()
                    .onResponse(response -> begun.countDown())
                    .subscriber(SubscribeToShardResponseHandler.Visitor.builder().onSubscribeToShardEvent(events::add).build())
                    .build();
            ended = clients.async.subscribeToShard(request -> request
                    .consumerARN(consumer)
                    .shardId(shard)
                    .startingPosition(start), handler);
        }

        /** Whether it began; an error of the request is thrown. */
        boolean begins() throws Exception {
            while (!begun.await(20, TimeUnit.MILLISECONDS)) {
                if (ended.isDone()) {
                    ended.get();
                }
            }
            return true;
        }

        /** The text of the next event that has records. */
        String nextText() throws InterruptedException {
            while (true) {
                SubscribeToShardEvent event = events.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
                holds(event != null, "an event came in time");
                holds(event.millisBehindLatest() != null && event.continuationSequenceNumber() != null, "the event is whole");
                if (!event.records().isEmpty()) {
                    return String.join("", event.records().stream().map(record -> record.data().asUtf8String()).toList());
                }
            }
        }
    }

    /** Creates a stream of one shard with a consumer, and waits until both are active; the consumer's ARN. */
    String consumer(String stream) throws InterruptedException {
        String arn = clients.createStream(stream).streamARN();
        String consumer = clients.blocking.registerStreamConsumer(request -> request.streamARN(arn).consumerName("java"))
                .consumer().consumerARN();
        while (clients.blocking.describeStreamConsumer(request -> request.consumerARN(consumer)).consumerDescription()
                .consumerStatus() != ConsumerStatus.ACTIVE) {
            Thread.sleep(20);
        }
        return consumer;
    }

    private void put(String stream, String text) throws Exception {
        clients.async.putRecord(request -> request.streamName(stream).partitionKey("k").data(SdkBytes.fromUtf8String(text))).get();
    }

    private void overHttp2() throws Exception {
        clients.createStream("http2");
        put("http2", "x");
        var summary = clients.async.describeStreamSummary(request -> request.streamName("http2")).get();
        same(summary.streamDescriptionSummary().streamName(), "http2");
        refused(ResourceNotFoundException.class, () ->
                clients.async.describeStreamSummary(request -> request.streamName("nowhere")).get());
    }

    private void subscribe() throws Exception {
        deliversTo("pushed");
    }

    /** A subscription to a new stream gets what was put before it and what comes. */
    void deliversTo(String stream) throws Exception {
        String consumer = consumer(stream);
        put(stream, "before");
        Subscription subscription = new Subscription(consumer, ShardIteratorType.TRIM_HORIZON);
        holds(subscription.begins(), "it begins");
        same(subscription.nextText(), "before");
        put(stream, "now");
        same(subscription.nextText(), "now");
        subscription.ended.cancel(true);
    }

    private void takeOver() throws Exception {
        String consumer = consumer("busy");
        Subscription first = new Subscription(consumer, ShardIteratorType.LATEST);
        holds(first.begins(), "the first begins");
        refused(ResourceInUseException.class, () -> new Subscription(consumer, ShardIteratorType.LATEST).begins());
        Subscription second = null;
        while (second == null) {
            try {
                Subscription next = new Subscription(consumer, ShardIteratorType.LATEST);
                next.begins();
                second = next;
            } catch (ExecutionException error) {
                holds(error.getCause() instanceof ResourceInUseException, "only the other subscription stands in the way");
                Thread.sleep(200);
            }
        }
        var told = refused(ResourceInUseException.class, () -> first.ended.get(PATIENCE_SECONDS, TimeUnit.SECONDS));
        holds(told.getMessage().contains("took over"), "it says why: " + told.getMessage());
        put("busy", "x");
        same(second.nextText(), "x");
        same(first.events.stream().flatMap(event -> event.records().stream()).toList(), List.of());
        second.ended.cancel(true);
    }

    private void refusedSubscription() throws Exception {
        String consumer = consumer("absent");
        refused(ResourceNotFoundException.class, () -> new Subscription(consumer + "0", ShardIteratorType.LATEST).begins());
    }
}
