package millstream;

import static millstream.Conformance.holds;
import static millstream.Conformance.same;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.model.ChildShard;
import software.amazon.awssdk.services.kinesis.model.ConsumerStatus;
import software.amazon.awssdk.services.kinesis.model.EncryptionType;
import software.amazon.awssdk.services.kinesis.model.MetricsName;
import software.amazon.awssdk.services.kinesis.model.MinimumThroughputBillingCommitmentInputStatus;
import software.amazon.awssdk.services.kinesis.model.MinimumThroughputBillingCommitmentOutputStatus;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ScalingType;
import software.amazon.awssdk.services.kinesis.model.ShardFilterType;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StreamMode;
import software.amazon.awssdk.services.kinesis.model.Tag;

/** The rest of the operations that version 2 knows, through the blocking client. */
final class Operations {
    private static final String KEY = "alias/aws/kinesis";

    private final Clients clients;

    Operations(Clients clients) {
        this.clients = clients;
    }

    void addTo(Map<String, Conformance.Check> checks) {
        checks.put("settings of a stream are changed and shown", this::settings);
        checks.put("settings of the account are changed and shown", this::account);
        checks.put("streams have tags and policies", this::tagsAndPolicies);
        checks.put("consumers are listed and deregistered", this::consumers);
        checks.put("a resharded stream is read parents first", this::reshard);
    }

    private void settings() throws Exception {
        String name = "settings";
        String arn = clients.createStream(name).streamARN();
        clients.blocking.increaseStreamRetentionPeriod(request -> request.streamName(name).retentionPeriodHours(48));
        same(clients.settled(name).retentionPeriodHours(), 48);
        clients.blocking.decreaseStreamRetentionPeriod(request -> request.streamName(name).retentionPeriodHours(24));
        same(clients.settled(name).retentionPeriodHours(), 24);
        var enabled = clients.blocking.enableEnhancedMonitoring(request ->
                request.streamName(name).shardLevelMetrics(MetricsName.INCOMING_BYTES));
        same(enabled.desiredShardLevelMetrics(), List.of(MetricsName.INCOMING_BYTES));
        var disabled = clients.blocking.disableEnhancedMonitoring(request ->
                request.streamName(name).shardLevelMetrics(MetricsName.ALL));
        same(disabled.desiredShardLevelMetrics(), List.of());
        clients.blocking.startStreamEncryption(request ->
                request.streamName(name).encryptionType(EncryptionType.KMS).keyId(KEY));
        same(clients.settled(name).keyId(), KEY);
        var put = clients.blocking.putRecord(request ->
                request.streamName(name).partitionKey("k").data(SdkBytes.fromUtf8String("x")));
        same(put.encryptionType(), EncryptionType.KMS);
        clients.blocking.stopStreamEncryption(request ->
                request.streamName(name).encryptionType(EncryptionType.KMS).keyId(KEY));
        same(clients.settled(name).encryptionType(), EncryptionType.NONE);
        clients.blocking.updateMaxRecordSize(request -> request.streamARN(arn).maxRecordSizeInKiB(2_048));
        same(clients.settled(name).maxRecordSizeInKiB(), 2_048);
        clients.blocking.updateStreamMode(request ->
                request.streamARN(arn).streamModeDetails(mode -> mode.streamMode(StreamMode.ON_DEMAND)));
        same(clients.settled(name).streamModeDetails().streamMode(), StreamMode.ON_DEMAND);
    }

    private void account() throws Exception {
        holds(clients.blocking.describeLimits().shardLimit() > 0, "there may be shards");
        clients.blocking.updateAccountSettings(request -> request.minimumThroughputBillingCommitment(
                commitment -> commitment.status(MinimumThroughputBillingCommitmentInputStatus.ENABLED)));
        var settings = clients.blocking.describeAccountSettings(request -> {});
        same(settings.minimumThroughputBillingCommitment().status(), MinimumThroughputBillingCommitmentOutputStatus.ENABLED);
        clients.blocking.createStream(request ->
                request.streamName("warm").streamModeDetails(mode -> mode.streamMode(StreamMode.ON_DEMAND)));
        clients.settled("warm");
        var warmed = clients.blocking.updateStreamWarmThroughput(request ->
                request.streamName("warm").warmThroughputMiBps(6));
        same(warmed.warmThroughput().targetMiBps(), 6);
    }

    private void tagsAndPolicies() {
        String name = "tagged";
        String arn = clients.createStream(name).streamARN();
        clients.blocking.addTagsToStream(request -> request.streamName(name).tags(Map.of("a", "1", "b", "2")));
        clients.blocking.tagResource(request -> request.resourceARN(arn).tags(Map.of("c", "3")));
        same(clients.blocking.listTagsForResource(request -> request.resourceARN(arn)).tags().size(), 3);
        clients.blocking.removeTagsFromStream(request -> request.streamName(name).tagKeys("a"));
        clients.blocking.untagResource(request -> request.resourceARN(arn).tagKeys("b"));
        same(clients.blocking.listTagsForStream(request -> request.streamName(name)).tags(),
                List.of(Tag.builder().key("c").value("3").build()));

        String policy = policy(arn);
        clients.blocking.putResourcePolicy(request -> request.resourceARN(arn).policy(policy));
        same(clients.blocking.getResourcePolicy(request -> request.resourceARN(arn)).policy(), policy);
        clients.blocking.deleteResourcePolicy(request -> request.resourceARN(arn));
    }

    /** A policy that lets the stream's own account put records. */
    static String policy(String arn) {
        return """
                {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS":
                "arn:aws:iam::000000000000:root"}, "Action": "kinesis:PutRecord", "Resource": "%s"}]}""".formatted(arn);
    }

    private void consumers() throws Exception {
        String stream = clients.createStream("followed").streamARN();
        for (String name : List.of("one", "two")) {
            clients.blocking.registerStreamConsumer(request -> request.streamARN(stream).consumerName(name));
        }
        var listed = clients.blocking.listStreamConsumersPaginator(request -> request.streamARN(stream).maxResults(1));
        same(listed.stream().flatMap(page -> page.consumers().stream()).map(consumer -> consumer.consumerName()).sorted().toList(), List.of("one", "two"));
        while (clients.blocking.describeStreamConsumer(request -> request.streamARN(stream).consumerName("one"))
                .consumerDescription().consumerStatus() != ConsumerStatus.ACTIVE) {
            Thread.sleep(20);
        }
        clients.blocking.deregisterStreamConsumer(request -> request.streamARN(stream).consumerName("one"));
    }

    private void reshard() throws Exception {
        String name = "resharded";
        clients.createStream(name);
        put(name, "1");
        clients.blocking.splitShard(request -> request.streamName(name).shardToSplit(Records.SHARD)
                .newStartingHashKey("170141183460469231731687303715884105728"));
        clients.settled(name);
        put(name, "2");
        clients.blocking.mergeShards(request -> request.streamName(name)
                .shardToMerge("shardId-000000000001").adjacentShardToMerge("shardId-000000000002"));
        clients.settled(name);
        put(name, "3");
        clients.blocking.updateShardCount(request -> request.streamName(name)
                .targetShardCount(2).scalingType(ScalingType.UNIFORM_SCALING));
        same(clients.settled(name).openShardCount(), 2);
        put(name, "4");
        var latest = clients.blocking.listShards(request ->
                request.streamName(name).shardFilter(filter -> filter.type(ShardFilterType.AT_LATEST)));
        same(latest.shards().size(), 2);
        same(walk(name), List.of("1", "2", "3", "4"));
    }

    private void put(String stream, String text) {
        clients.blocking.putRecord(request ->
                request.streamName(stream).partitionKey("one key").data(SdkBytes.fromUtf8String(text)));
    }

    /** The texts of all records: a shard is read when its parents have ended, and children as ends name them. */
    private List<String> walk(String stream) {
        List<String> texts = new ArrayList<>();
        Set<String> done = new HashSet<>();
        List<ChildShard> waiting = new ArrayList<>(List.of(ChildShard.builder().shardId(Records.SHARD).parentShards(List.of()).build()));
        while (!waiting.isEmpty()) {
            ChildShard shard = waiting.remove(0);
            if (!done.containsAll(shard.parentShards()) || !done.add(shard.shardId())) {
                continue;
            }
            String iterator = clients.blocking.getShardIterator(request -> request.streamName(stream)
                    .shardId(shard.shardId()).shardIteratorType(ShardIteratorType.TRIM_HORIZON)).shardIterator();
            while (iterator != null) {
                String from = iterator;
                var page = clients.blocking.getRecords(request -> request.shardIterator(from));
                page.records().stream().map(Record::data).map(SdkBytes::asUtf8String).forEach(texts::add);
                iterator = page.nextShardIterator();
                waiting.addAll(page.childShards());
                if (page.records().isEmpty() && page.millisBehindLatest() == 0) {
                    break;
                }
            }
        }
        return texts;
    }
}
