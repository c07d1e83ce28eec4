package conformance_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
)

func TestStreamsAreCreatedListedAndDeleted(t *testing.T) {
	c, ctx := inClearText(), context.Background()
	var wanted []string
	for number := range 3 {
		wanted = append(wanted, fmt.Sprint("life-", number))
		c.createStream(t, wanted[number], 1)
	}
	summary := c.summary(t, wanted[0])
	same(t, summary.StreamModeDetails.StreamMode, types.StreamModeProvisioned)
	if age := time.Since(*summary.StreamCreationTimestamp).Abs(); age > 10*time.Minute {
		t.Errorf("the new stream is %s old", age)
	}
	var found []string
	for pages := kinesis.NewListStreamsPaginator(c.kinesis, &kinesis.ListStreamsInput{Limit: aws.Int32(1)}); pages.HasMorePages(); {
		for _, name := range ok(pages.NextPage(ctx))(t).StreamNames {
			if strings.HasPrefix(name, "life-") {
				found = append(found, name)
			}
		}
	}
	if !slices.Equal(found, wanted) {
		t.Errorf("found %v", found)
	}
	ok(c.kinesis.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: &wanted[0], EnforceConsumerDeletion: aws.Bool(true)}))(t)
	waiter := kinesis.NewStreamNotExistsWaiter(c.kinesis, func(options *kinesis.StreamNotExistsWaiterOptions) {
		options.MinDelay = 20 * time.Millisecond
	})
	if err := waiter.Wait(ctx, &kinesis.DescribeStreamInput{StreamName: &wanted[0]}, patience); err != nil {
		t.Error(err)
	}
}

func TestSettingsOfAStream(t *testing.T) {
	c, name, ctx := inClearText(), "settings", context.Background()
	arn := c.createStream(t, name, 1)
	ok(c.kinesis.IncreaseStreamRetentionPeriod(ctx, &kinesis.IncreaseStreamRetentionPeriodInput{
		StreamName: &name, RetentionPeriodHours: aws.Int32(48)}))(t)
	same(t, *c.settled(t, name).RetentionPeriodHours, 48)
	ok(c.kinesis.DecreaseStreamRetentionPeriod(ctx, &kinesis.DecreaseStreamRetentionPeriodInput{
		StreamName: &name, RetentionPeriodHours: aws.Int32(24)}))(t)
	same(t, *c.settled(t, name).RetentionPeriodHours, 24)
	monitored := ok(c.kinesis.EnableEnhancedMonitoring(ctx, &kinesis.EnableEnhancedMonitoringInput{
		StreamName: &name, ShardLevelMetrics: []types.MetricsName{types.MetricsNameIncomingBytes}}))(t)
	same(t, monitored.DesiredShardLevelMetrics[0], types.MetricsNameIncomingBytes)
	ok(c.kinesis.DisableEnhancedMonitoring(ctx, &kinesis.DisableEnhancedMonitoringInput{
		StreamName: &name, ShardLevelMetrics: []types.MetricsName{types.MetricsNameAll}}))(t)
	alias := "alias/aws/kinesis"
	ok(c.kinesis.StartStreamEncryption(ctx, &kinesis.StartStreamEncryptionInput{
		StreamName: &name, EncryptionType: types.EncryptionTypeKms, KeyId: &alias}))(t)
	same(t, *c.settled(t, name).KeyId, alias)
	ok(c.kinesis.StopStreamEncryption(ctx, &kinesis.StopStreamEncryptionInput{
		StreamName: &name, EncryptionType: types.EncryptionTypeKms, KeyId: &alias}))(t)
	same(t, c.settled(t, name).EncryptionType, types.EncryptionTypeNone)
	ok(c.kinesis.UpdateMaxRecordSize(ctx, &kinesis.UpdateMaxRecordSizeInput{StreamARN: &arn, MaxRecordSizeInKiB: aws.Int32(2048)}))(t)
	same(t, *c.settled(t, name).MaxRecordSizeInKiB, 2048)
	ok(c.kinesis.UpdateStreamMode(ctx, &kinesis.UpdateStreamModeInput{
		StreamARN: &arn, StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}}))(t)
	same(t, c.settled(t, name).StreamModeDetails.StreamMode, types.StreamModeOnDemand)
}

func TestSettingsOfTheAccount(t *testing.T) {
	c, name, ctx := inClearText(), "warm", context.Background()
	if *ok(c.kinesis.DescribeLimits(ctx, &kinesis.DescribeLimitsInput{}))(t).ShardLimit < 1 {
		t.Error("there may be no shard")
	}
	enabled := &types.MinimumThroughputBillingCommitmentInput{Status: types.MinimumThroughputBillingCommitmentInputStatusEnabled}
	ok(c.kinesis.UpdateAccountSettings(ctx, &kinesis.UpdateAccountSettingsInput{MinimumThroughputBillingCommitment: enabled}))(t)
	settings := ok(c.kinesis.DescribeAccountSettings(ctx, &kinesis.DescribeAccountSettingsInput{}))(t)
	same(t, settings.MinimumThroughputBillingCommitment.Status, types.MinimumThroughputBillingCommitmentOutputStatusEnabled)
	ok(c.kinesis.CreateStream(ctx, &kinesis.CreateStreamInput{
		StreamName: &name, StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}}))(t)
	c.settled(t, name)
	warmed := ok(c.kinesis.UpdateStreamWarmThroughput(ctx, &kinesis.UpdateStreamWarmThroughputInput{
		StreamName: &name, WarmThroughputMiBps: aws.Int32(6)}))(t)
	same(t, *warmed.WarmThroughput.TargetMiBps, 6)
}

func TestTagsAndPolicies(t *testing.T) {
	c, name, ctx := inClearText(), "tagged", context.Background()
	arn := c.createStream(t, name, 1)
	ok(c.kinesis.AddTagsToStream(ctx, &kinesis.AddTagsToStreamInput{StreamName: &name, Tags: map[string]string{"a": "1", "b": "2"}}))(t)
	ok(c.kinesis.TagResource(ctx, &kinesis.TagResourceInput{ResourceARN: &arn, Tags: map[string]string{"c": "3"}}))(t)
	same(t, len(ok(c.kinesis.ListTagsForResource(ctx, &kinesis.ListTagsForResourceInput{ResourceARN: &arn}))(t).Tags), 3)
	ok(c.kinesis.RemoveTagsFromStream(ctx, &kinesis.RemoveTagsFromStreamInput{StreamName: &name, TagKeys: []string{"a"}}))(t)
	ok(c.kinesis.UntagResource(ctx, &kinesis.UntagResourceInput{ResourceARN: &arn, TagKeys: []string{"b"}}))(t)
	left := ok(c.kinesis.ListTagsForStream(ctx, &kinesis.ListTagsForStreamInput{StreamName: &name}))(t).Tags
	same(t, len(left), 1)
	same(t, *left[0].Key+*left[0].Value, "c3")

	policy := fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS":
		"arn:aws:iam::000000000000:root"}, "Action": "kinesis:PutRecord", "Resource": %q}]}`, arn)
	ok(c.kinesis.PutResourcePolicy(ctx, &kinesis.PutResourcePolicyInput{ResourceARN: &arn, Policy: &policy}))(t)
	same(t, *ok(c.kinesis.GetResourcePolicy(ctx, &kinesis.GetResourcePolicyInput{ResourceARN: &arn}))(t).Policy, policy)
	ok(c.kinesis.DeleteResourcePolicy(ctx, &kinesis.DeleteResourcePolicyInput{ResourceARN: &arn}))(t)
}

func TestConsumersAreListedAndDeregistered(t *testing.T) {
	c, ctx := inClearText(), context.Background()
	stream := c.createStream(t, "consumers", 1)
	consumer := c.register(t, stream)
	listed := ok(c.kinesis.ListStreamConsumers(ctx, &kinesis.ListStreamConsumersInput{StreamARN: &stream}))(t).Consumers
	same(t, len(listed), 1)
	same(t, *listed[0].ConsumerARN, consumer)
	ok(c.kinesis.DeregisterStreamConsumer(ctx, &kinesis.DeregisterStreamConsumerInput{ConsumerARN: &consumer}))(t)
}

func TestErrorsHaveTheTypesOfTheirNames(t *testing.T) {
	inEachWay(t, func(t *testing.T, c *clients, _ string) {
		ctx := context.Background()
		_, err := c.kinesis.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("nowhere")})
		same(t, *refused[*types.ResourceNotFoundException](t, err).Message, "Stream nowhere under account 000000000000 not found.")
		_, err = c.kinesis.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("invented")})
		refused[*types.InvalidArgumentException](t, err)
		_, err = c.kinesis.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("no name!"), ShardCount: aws.Int32(1)})
		refused[*types.ValidationException](t, err)
		_, err = c.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("nobody")})
		missing := refused[*lambdatypes.ResourceNotFoundException](t, err)
		same(t, *missing.Message, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody")
		same(t, *missing.Type, "User")
	})
}

func TestAnotherSecretIsRefused(t *testing.T) {
	for _, wrong := range []struct{ id, secret, token, code string }{
		{key.AccessKeyID, key.SecretAccessKey + "x", "", "InvalidSignatureException"},
		{"MKIAUNKNOWNUNKNOWN00", key.SecretAccessKey, "", "UnrecognizedClientException"},
		{key.AccessKeyID, key.SecretAccessKey, "none", "UnrecognizedClientException"},
	} {
		for _, way := range ways {
			c := newClients(way, credentials.NewStaticCredentialsProvider(wrong.id, wrong.secret, wrong.token))
			_, err := c.kinesis.ListStreams(context.Background(), &kinesis.ListStreamsInput{})
			same(t, refused[smithy.APIError](t, err).ErrorCode(), wrong.code)
			_, err = c.lambda.ListFunctions(context.Background(), &lambda.ListFunctionsInput{})
			same(t, refused[smithy.APIError](t, err).ErrorCode(), wrong.code)
		}
	}
}
