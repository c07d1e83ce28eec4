package millstream;

import static millstream.Conformance.holds;
import static millstream.Conformance.refused;
import static millstream.Conformance.same;

import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.kinesis.AmazonKinesis;
import com.amazonaws.services.kinesis.AmazonKinesisClientBuilder;
import com.amazonaws.services.kinesis.model.AddTagsToStreamRequest;
import com.amazonaws.services.kinesis.model.CreateStreamRequest;
import com.amazonaws.services.kinesis.model.DecreaseStreamRetentionPeriodRequest;
import com.amazonaws.services.kinesis.model.DeleteResourcePolicyRequest;
import com.amazonaws.services.kinesis.model.DeleteStreamRequest;
import com.amazonaws.services.kinesis.model.DeregisterStreamConsumerRequest;
import com.amazonaws.services.kinesis.model.DescribeLimitsRequest;
import com.amazonaws.services.kinesis.model.DescribeStreamConsumerRequest;
import com.amazonaws.services.kinesis.model.DescribeStreamSummaryRequest;
import com.amazonaws.services.kinesis.model.DisableEnhancedMonitoringRequest;
import com.amazonaws.services.kinesis.model.EnableEnhancedMonitoringRequest;
import com.amazonaws.services.kinesis.model.GetRecordsRequest;
import com.amazonaws.services.kinesis.model.GetResourcePolicyRequest;
import com.amazonaws.services.kinesis.model.GetShardIteratorRequest;
import com.amazonaws.services.kinesis.model.IncreaseStreamRetentionPeriodRequest;
import com.amazonaws.services.kinesis.model.ListShardsRequest;
import com.amazonaws.services.kinesis.model.ListStreamConsumersRequest;
import com.amazonaws.services.kinesis.model.ListStreamsRequest;
import com.amazonaws.services.kinesis.model.ListTagsForStreamRequest;
import com.amazonaws.services.kinesis.model.PutRecordsRequest;
import com.amazonaws.services.kinesis.model.PutRecordsRequestEntry;
import com.amazonaws.services.kinesis.model.PutResourcePolicyRequest;
import com.amazonaws.services.kinesis.model.Record;
import com.amazonaws.services.kinesis.model.RegisterStreamConsumerRequest;
import com.amazonaws.services.kinesis.model.RemoveTagsFromStreamRequest;
import com.amazonaws.services.kinesis.model.ResourceNotFoundException;
import com.amazonaws.services.kinesis.model.StartStreamEncryptionRequest;
import com.amazonaws.services.kinesis.model.StopStreamEncryptionRequest;
import com.amazonaws.services.kinesis.model.StreamModeDetails;
import com.amazonaws.services.kinesis.model.Tag;
import com.amazonaws.services.kinesis.model.UpdateShardCountRequest;
import com.amazonaws.services.kinesis.model.UpdateStreamModeRequest;
import java.nio.ByteBuffer;
import java.util.Date;
import java.util.List;
import java.util.Map;

/** Version 1 of the SDK, as the KCL before 2.0 uses it. */
final class VersionOne {
    private static final long TEN_MINUTES = 600_000;

    private final Clients clients;
    final AmazonKinesis kinesis;

    VersionOne(Clients clients, Server server) {
        this.clients = clients;
        kinesis = AmazonKinesisClientBuilder.standard()
                .withEndpointConfiguration(new EndpointConfiguration(server.address.toString(), "us-east-1"))
                .withCredentials(new AWSStaticCredentialsProvider(new BasicAWSCredentials(server.keyId, server.secret)))
                .build();
    }

    void addTo(Map<String, Conformance.Check> checks) {
        checks.put("version 1 reads what it put, from a time on", this::putAndGet);
        checks.put("version 1 understands errors", this::errors);
        checks.put("version 1 changes all of a stream that it knows", this::settings);
    }

    private void putAndGet() {
        clients.createStream("one");
        Date created = kinesis.describeStream("one").getStreamDescription().getStreamCreationTimestamp();
        holds(isNow(created), "the stream is new: " + created);
        kinesis.putRecord("one", ByteBuffer.wrap(new byte[] {0, -1}), "é");
        List<PutRecordsRequestEntry> entries = List.of(
                new PutRecordsRequestEntry().withPartitionKey("a").withData(ByteBuffer.wrap("x".getBytes())),
                new PutRecordsRequestEntry().withPartitionKey("b").withData(ByteBuffer.wrap(new byte[100_000])));
        same(kinesis.putRecords(new PutRecordsRequest().withStreamName("one").withRecords(entries)).getFailedRecordCount(), 0);
        List<Record> records = read(new GetShardIteratorRequest().withShardIteratorType("TRIM_HORIZON"));
        same(records.stream().map(record -> record.getData().remaining()).toList(), List.of(2, 1, 100_000));
        same(records.get(0).getPartitionKey(), "é");
        Date arrived = records.get(0).getApproximateArrivalTimestamp();
        holds(isNow(arrived), "the record is new: " + arrived);
        same(read(new GetShardIteratorRequest().withShardIteratorType("AT_TIMESTAMP").withTimestamp(arrived)), records);
    }

    private List<Record> read(GetShardIteratorRequest start) {
        String iterator = kinesis.getShardIterator(start.withStreamName("one").withShardId(Records.SHARD)).getShardIterator();
        return kinesis.getRecords(new GetRecordsRequest().withShardIterator(iterator)).getRecords();
    }

    private static boolean isNow(Date time) {
        return Math.abs(time.getTime() - System.currentTimeMillis()) < TEN_MINUTES;
    }

    private void errors() throws Exception {
        var missing = refused(ResourceNotFoundException.class, () -> kinesis.describeStream("nowhere"));
        same(missing.getStatusCode(), 400);
        same(missing.getErrorCode(), "ResourceNotFoundException");
        same(missing.getErrorMessage(), "Stream nowhere under account 000000000000 not found.");
        holds(missing.getRequestId() != null, "it has a request id");
    }

    private void settings() throws Exception {
        String name = "one-settings";
        kinesis.createStream(new CreateStreamRequest().withStreamName(name).withShardCount(1));
        String arn = clients.settled(name).streamARN();
        same(kinesis.listStreams(new ListStreamsRequest().withExclusiveStartStreamName("one-setting")).getStreamNames().get(0), name);
        kinesis.addTagsToStream(new AddTagsToStreamRequest().withStreamName(name).addTagsEntry("a", "1").addTagsEntry("b", "2"));
        kinesis.removeTagsFromStream(new RemoveTagsFromStreamRequest().withStreamName(name).withTagKeys("a"));
        same(kinesis.listTagsForStream(new ListTagsForStreamRequest().withStreamName(name)).getTags(),
                List.of(new Tag().withKey("b").withValue("2")));
        kinesis.increaseStreamRetentionPeriod(new IncreaseStreamRetentionPeriodRequest().withStreamName(name).withRetentionPeriodHours(48));
        same(clients.settled(name).retentionPeriodHours(), 48);
        kinesis.decreaseStreamRetentionPeriod(new DecreaseStreamRetentionPeriodRequest().withStreamName(name).withRetentionPeriodHours(24));
        kinesis.enableEnhancedMonitoring(new EnableEnhancedMonitoringRequest().withStreamName(name).withShardLevelMetrics("ALL"));
        kinesis.disableEnhancedMonitoring(new DisableEnhancedMonitoringRequest().withStreamName(name).withShardLevelMetrics("ALL"));
        kinesis.startStreamEncryption(new StartStreamEncryptionRequest().withStreamName(name).withEncryptionType("KMS")
                .withKeyId("alias/aws/kinesis"));
        same(clients.settled(name).encryptionTypeAsString(), "KMS");
        kinesis.stopStreamEncryption(new StopStreamEncryptionRequest().withStreamName(name).withEncryptionType("KMS")
                .withKeyId("alias/aws/kinesis"));
        clients.settled(name);
        String policy = Operations.policy(arn);
        kinesis.putResourcePolicy(new PutResourcePolicyRequest().withResourceARN(arn).withPolicy(policy));
        same(kinesis.getResourcePolicy(new GetResourcePolicyRequest().withResourceARN(arn)).getPolicy(), policy);
        kinesis.deleteResourcePolicy(new DeleteResourcePolicyRequest().withResourceARN(arn));
        var consumer = new RegisterStreamConsumerRequest().withStreamARN(arn).withConsumerName("one");
        String consumerArn = kinesis.registerStreamConsumer(consumer).getConsumer().getConsumerARN();
        same(kinesis.describeStreamConsumer(new DescribeStreamConsumerRequest().withConsumerARN(consumerArn))
                .getConsumerDescription().getConsumerName(), "one");
        same(kinesis.listStreamConsumers(new ListStreamConsumersRequest().withStreamARN(arn)).getConsumers().size(), 1);
        kinesis.deregisterStreamConsumer(new DeregisterStreamConsumerRequest().withConsumerARN(consumerArn));
        kinesis.splitShard(name, Records.SHARD, "170141183460469231731687303715884105728");
        clients.settled(name);
        kinesis.mergeShards(name, "shardId-000000000001", "shardId-000000000002");
        clients.settled(name);
        kinesis.updateShardCount(new UpdateShardCountRequest().withStreamName(name).withTargetShardCount(2)
                .withScalingType("UNIFORM_SCALING"));
        same(clients.settled(name).openShardCount(), 2);
        same(kinesis.listShards(new ListShardsRequest().withStreamName(name)).getShards().size(), 6);
        same(kinesis.describeStreamSummary(new DescribeStreamSummaryRequest().withStreamName(name))
                .getStreamDescriptionSummary().getOpenShardCount(), 2);
        holds(kinesis.describeLimits(new DescribeLimitsRequest()).getOpenShardCount() >= 2, "open shards are counted");
        kinesis.updateStreamMode(new UpdateStreamModeRequest().withStreamARN(arn)
                .withStreamModeDetails(new StreamModeDetails().withStreamMode("ON_DEMAND")));
        clients.settled(name);
        kinesis.deleteStream(new DeleteStreamRequest().withStreamName(name).withEnforceConsumerDeletion(true));
    }
}
