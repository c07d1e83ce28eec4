package conformance_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func TestRecordsComeBackAsTheyWerePut(t *testing.T) {
	inEachWay(t, func(t *testing.T, c *clients, name string) {
		c.createStream(t, name, 1)
		everyByte := make([]byte, 256)
		for value := range everyByte {
			everyByte[value] = byte(value)
		}
		first := c.put(t, name, "é", string(everyByte))
		same(t, *first.ShardId, firstShard)
		var entries []types.PutRecordsRequestEntry
		for number := range 500 {
			data := make([]byte, 1024)
			data[0] = byte(number)
			entries = append(entries, types.PutRecordsRequestEntry{
				PartitionKey: aws.String(fmt.Sprint("key-", number)), Data: data,
			})
		}
		many := ok(c.kinesis.PutRecords(context.Background(), &kinesis.PutRecordsInput{StreamName: &name, Records: entries}))(t)
		same(t, *many.FailedRecordCount, 0)
		records, _ := c.read(t, fromTheStart(name, firstShard))
		same(t, len(records), 501)
		same(t, string(records[0].Data), string(everyByte))
		same(t, *records[0].PartitionKey, "é")
		same(t, *records[0].SequenceNumber, *first.SequenceNumber)
		if age := time.Since(*records[0].ApproximateArrivalTimestamp).Abs(); age > 10*time.Minute {
			t.Errorf("the new record is %s old", age)
		}
		for number, record := range records[1:] {
			same(t, record.Data[0], byte(number))
			same(t, *record.SequenceNumber, *many.Records[number].SequenceNumber)
		}
	})
}

func TestIteratorsStartInFiveWays(t *testing.T) {
	c, name := inClearText(), "iterators"
	c.createStream(t, name, 1)
	first := c.put(t, name, "k", "a")
	records, _ := c.read(t, fromTheStart(name, firstShard))
	arrived := *records[0].ApproximateArrivalTimestamp
	// Two records of one millisecond cannot be told apart by time.
	for time.Now().Before(arrived.Add(5 * time.Millisecond)) {
		time.Sleep(time.Millisecond)
	}
	c.put(t, name, "k", "b")
	later := arrived.Add(time.Millisecond)
	for _, start := range []struct {
		kind   types.ShardIteratorType
		number *string
		time   *time.Time
		wanted string
	}{
		{types.ShardIteratorTypeTrimHorizon, nil, nil, "a b"},
		{types.ShardIteratorTypeAtSequenceNumber, first.SequenceNumber, nil, "a b"},
		{types.ShardIteratorTypeAfterSequenceNumber, first.SequenceNumber, nil, "b"},
		{types.ShardIteratorTypeAtTimestamp, nil, &arrived, "a b"},
		{types.ShardIteratorTypeAtTimestamp, nil, &later, "b"},
		{types.ShardIteratorTypeLatest, nil, nil, ""},
	} {
		found, _ := c.read(t, &kinesis.GetShardIteratorInput{
			StreamName: &name, ShardId: aws.String(firstShard), ShardIteratorType: start.kind,
			StartingSequenceNumber: start.number, Timestamp: start.time,
		})
		same(t, texts(found), start.wanted)
	}
}

func TestAReshardedStreamIsReadParentsFirst(t *testing.T) {
	c, name, ctx := inClearText(), "resharded", context.Background()
	c.createStream(t, name, 1)
	wanted := ""
	put := func(text string) {
		c.put(t, name, "one key", text)
		wanted += text + " "
	}
	put("1")
	ok(c.kinesis.SplitShard(ctx, &kinesis.SplitShardInput{
		StreamName: &name, ShardToSplit: aws.String(firstShard),
		NewStartingHashKey: aws.String("170141183460469231731687303715884105728"),
	}))(t)
	c.settled(t, name)
	put("2")
	ok(c.kinesis.MergeShards(ctx, &kinesis.MergeShardsInput{
		StreamName: &name, ShardToMerge: aws.String("shardId-000000000001"),
		AdjacentShardToMerge: aws.String("shardId-000000000002"),
	}))(t)
	c.settled(t, name)
	put("3")
	changed := ok(c.kinesis.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{
		StreamName: &name, TargetShardCount: aws.Int32(2), ScalingType: types.ScalingTypeUniformScaling,
	}))(t)
	same(t, *changed.TargetShardCount, 2)
	same(t, *c.settled(t, name).OpenShardCount, 2)
	put("4")

	input := &kinesis.ListShardsInput{StreamName: &name, ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}}
	same(t, len(ok(c.kinesis.ListShards(ctx, input))(t).Shards), 2)
	found, done, waiting := "", map[string]bool{}, []types.ChildShard{{ShardId: aws.String(firstShard)}}
	for len(waiting) > 0 {
		shard := waiting[0]
		waiting = waiting[1:]
		ready := !done[*shard.ShardId]
		for _, parent := range shard.ParentShards {
			ready = ready && done[parent]
		}
		if !ready {
			continue // its other parent names it again when that one ends
		}
		records, last := c.read(t, fromTheStart(name, *shard.ShardId))
		done[*shard.ShardId] = true
		if len(records) > 0 {
			found += texts(records) + " "
		}
		waiting = append(waiting, last.ChildShards...)
	}
	same(t, len(done), 6)
	same(t, found, wanted)
}

func TestASubscriptionDeliversWhatWasThereAndWhatComes(t *testing.T) {
	inEachWay(t, func(t *testing.T, c *clients, name string) {
		consumer := c.register(t, c.createStream(t, name, 1))
		c.put(t, name, "k", "before")
		subscription := ok(c.kinesis.SubscribeToShard(context.Background(), &kinesis.SubscribeToShardInput{
			ConsumerARN: &consumer, ShardId: aws.String(firstShard),
			StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
		}))(t).GetStream()
		defer subscription.Close()
		var seen []types.Record
		timeout := time.After(patience)
		for len(seen) < 2 {
			select {
			case event := <-subscription.Events():
				// The channel is closed when the subscription ends; then there is no event.
				member, isEvent := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
				if !isEvent {
					t.Fatalf("the subscription ended: %v", subscription.Err())
				}
				if *member.Value.ContinuationSequenceNumber == "" || *member.Value.MillisBehindLatest < 0 {
					t.Error("an event does not say where it is")
				}
				if seen = append(seen, member.Value.Records...); len(seen) == 1 && len(member.Value.Records) == 1 {
					c.put(t, name, "k", "now")
				}
			case <-timeout:
				t.Fatalf("after %s only these came: %q", patience, texts(seen))
			}
		}
		same(t, texts(seen), "before now")
	})
}

// register makes a consumer and waits until it is active; its ARN.
func (c *clients) register(t *testing.T, stream string) string {
	t.Helper()
	ctx := context.Background()
	input := &kinesis.RegisterStreamConsumerInput{StreamARN: &stream, ConsumerName: aws.String("go")}
	consumer := ok(c.kinesis.RegisterStreamConsumer(ctx, input))(t).Consumer.ConsumerARN
	eventually(t, "the consumer is active", func() bool {
		found := ok(c.kinesis.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{ConsumerARN: consumer}))(t)
		return found.ConsumerDescription.ConsumerStatus == types.ConsumerStatusActive
	})
	return *consumer
}
