package millstream;

import static millstream.Conformance.holds;
import static millstream.Conformance.refused;
import static millstream.Conformance.same;

import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.kinesis.AmazonKinesis;
import com.amazonaws.services.kinesis.AmazonKinesisClientBuilder;
import com.amazonaws.services.kinesis.model.GetRecordsRequest;
import com.amazonaws.services.kinesis.model.GetShardIteratorRequest;
import com.amazonaws.services.kinesis.model.PutRecordsRequest;
import com.amazonaws.services.kinesis.model.PutRecordsRequestEntry;
import com.amazonaws.services.kinesis.model.Record;
import com.amazonaws.services.kinesis.model.ResourceNotFoundException;
import java.nio.ByteBuffer;
import java.util.Date;
import java.util.List;
import java.util.Map;

/** Version 1 of the SDK, as the KCL before 2.0 uses it. */
final class VersionOne {
    private static final long TEN_MINUTES = 600_000;

    private final Clients clients;
    private final AmazonKinesis kinesis;

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
}
