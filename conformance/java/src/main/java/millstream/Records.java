package millstream;

import static millstream.Conformance.holds;
import static millstream.Conformance.refused;
import static millstream.Conformance.same;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.GetShardIteratorRequest;
import software.amazon.awssdk.services.kinesis.model.InvalidArgumentException;
import software.amazon.awssdk.services.kinesis.model.KinesisException;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StreamStatus;

/** Streams and records through the blocking client. */
final class Records {
    static final String SHARD = "shardId-000000000000";

    private final Clients clients;

    Records(Clients clients) {
        this.clients = clients;
    }

    void addTo(Map<String, Conformance.Check> checks) {
        checks.put("a stream is created, described, listed and deleted", this::streams);
        checks.put("records come back as they were put", this::putAndGet);
        checks.put("an iterator starts at a time to the millisecond", this::atTimestamp);
        checks.put("errors have their type, text and request ids", this::errors);
        checks.put("requests and answers are CBOR", this::mediaTypes);
    }

    private void streams() {
        var described = clients.createStream("streams");
        same(described.streamStatus(), StreamStatus.ACTIVE);
        same(described.openShardCount(), 1);
        Duration age = Duration.between(described.streamCreationTimestamp(), Instant.now()).abs();
        holds(age.compareTo(Duration.ofMinutes(10)) < 0, "the stream is new: it is " + age + " old");
        holds(clients.blocking.listStreamsPaginator().streamNames().stream().anyMatch("streams"::equals), "it is listed");
        List<Shard> shards = clients.blocking.listShards(request -> request.streamName("streams")).shards();
        same(shards.stream().map(Shard::shardId).toList(), List.of(SHARD));
        same(shards.get(0).hashKeyRange().endingHashKey(), "340282366920938463463374607431768211455");
        same(clients.blocking.describeStream(request -> request.streamName("streams")).streamDescription().shards(), shards);
        clients.blocking.deleteStream(request -> request.streamName("streams"));
        clients.blocking.waiter().waitUntilStreamNotExists(request -> request.streamName("streams"));
    }

    private void putAndGet() {
        clients.createStream("records");
        byte[] everyByte = new byte[256];
        for (int value = 0; value < everyByte.length; value++) {
            everyByte[value] = (byte) value;
        }
        List<SdkBytes> put = new ArrayList<>();
        put.add(SdkBytes.fromByteArray(everyByte));
        put.add(SdkBytes.fromByteArray(new byte[0]));
        String first = clients.blocking.putRecord(request -> request.streamName("records").partitionKey("é").data(put.get(0)))
                .sequenceNumber();
        clients.blocking.putRecord(request -> request.streamName("records").partitionKey("k").explicitHashKey("0").data(put.get(1)));
        List<PutRecordsRequestEntry> entries = new ArrayList<>();
        for (int number = 0; number < 500; number++) {
            byte[] data = new byte[1_024];
            data[0] = (byte) number;
            put.add(SdkBytes.fromByteArray(data));
            entries.add(PutRecordsRequestEntry.builder().partitionKey("key-" + number).data(put.get(put.size() - 1)).build());
        }
        var answer = clients.blocking.putRecords(request -> request.streamName("records").records(entries));
        same(answer.failedRecordCount(), 0);
        same(answer.records().size(), 500);

        List<Record> records = read("records", request -> request.shardIteratorType(ShardIteratorType.TRIM_HORIZON));
        same(records.stream().map(Record::data).toList(), put);
        same(records.get(0).sequenceNumber(), first);
        same(records.get(0).partitionKey(), "é");
        Duration age = Duration.between(records.get(0).approximateArrivalTimestamp(), Instant.now()).abs();
        holds(age.compareTo(Duration.ofMinutes(10)) < 0, "the record is new: it is " + age + " old");
        List<Record> after = read("records", request -> request
                .shardIteratorType(ShardIteratorType.AFTER_SEQUENCE_NUMBER)
                .startingSequenceNumber(first));
        same(after.size(), records.size() - 1);
    }

    private void atTimestamp() throws InterruptedException {
        clients.createStream("times");
        clients.blocking.putRecord(request -> request.streamName("times").partitionKey("k").data(SdkBytes.fromUtf8String("a")));
        Instant before = read("times", request -> request.shardIteratorType(ShardIteratorType.TRIM_HORIZON))
                .get(0).approximateArrivalTimestamp();
        // Two records of one millisecond cannot be told apart by time.
        while (!Instant.now().isAfter(before.plusMillis(5))) {
            Thread.sleep(1);
        }
        clients.blocking.putRecord(request -> request.streamName("times").partitionKey("k").data(SdkBytes.fromUtf8String("b")));
        for (Map.Entry<Instant, String> start : Map.of(before, "ab", before.plusMillis(1), "b").entrySet()) {
            StringBuilder found = new StringBuilder();
            for (Record record : read("times", request -> request
                    .shardIteratorType(ShardIteratorType.AT_TIMESTAMP)
                    .timestamp(start.getKey()))) {
                found.append(record.data().asUtf8String());
            }
            same(found.toString(), start.getValue());
        }
    }

    private List<Record> read(String stream, java.util.function.Consumer<GetShardIteratorRequest.Builder> start) {
        String iterator = clients.blocking.getShardIterator(request ->
                request.streamName(stream).shardId(SHARD).applyMutation(start)).shardIterator();
        List<Record> records = new ArrayList<>();
        while (true) {
            String from = iterator;
            GetRecordsResponse page = clients.blocking.getRecords(request -> request.shardIterator(from));
            records.addAll(page.records());
            iterator = page.nextShardIterator();
            if (page.millisBehindLatest() == 0) {
                return records;
            }
        }
    }

    private void errors() throws Exception {
        var missing = refused(ResourceNotFoundException.class, () ->
                clients.blocking.describeStreamSummary(request -> request.streamName("nowhere")));
        same(missing.statusCode(), 400);
        same(missing.awsErrorDetails().errorCode(), "ResourceNotFoundException");
        same(missing.awsErrorDetails().errorMessage(), "Stream nowhere under account 000000000000 not found.");
        holds(missing.requestId() != null && missing.extendedRequestId() != null, "it has request ids");
        refused(InvalidArgumentException.class, () ->
                clients.blocking.getRecords(request -> request.shardIterator("invented")));
        var invalid = refused(KinesisException.class, () ->
                clients.blocking.createStream(request -> request.streamName("no name!").shardCount(0)));
        same(invalid.awsErrorDetails().errorCode(), "ValidationException");
        holds(invalid.getMessage().startsWith("2 validation errors detected: "), invalid.getMessage());
    }

    private void mediaTypes() {
        same(clients.mediaTypes, java.util.Set.of("application/x-amz-cbor-1.1"));
    }
}
