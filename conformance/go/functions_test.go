package conformance_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

const (
	role = "arn:aws:iam::000000000000:role/function"
	echo = `
def handler(event, context):
    print("saw", event)
    if event == "fail":
        raise ValueError("as asked")
    return {"echo": event, "version": context.function_version}
`
	remember = `
import base64
def handler(event, context):
    with open("/tmp/seen", "a") as file:
        for record in event.get("Records", []):
            file.write(base64.b64decode(record["kinesis"]["data"]).decode() + " ")
    return {"seen": open("/tmp/seen").read()}
`
)

// python gives the name of the runtime that this machine has.
func python(t *testing.T) types.Runtime {
	t.Helper()
	script := `import sys; print("python%d.%d" % sys.version_info[:2])`
	return types.Runtime(strings.TrimSpace(string(ok(exec.Command("python3", "-c", script).Output())(t))))
}

func zipped(t *testing.T, name, source string) []byte {
	t.Helper()
	var buffer bytes.Buffer
	archive := zip.NewWriter(&buffer)
	ok(ok(archive.Create(name))(t).Write([]byte(source)))(t)
	must(archive.Close())
	return buffer.Bytes()
}

// deploy creates a function and waits until it is active; its ARN.
func (c *clients) deploy(t *testing.T, name, source string) string {
	t.Helper()
	made := ok(c.lambda.CreateFunction(context.Background(), &lambda.CreateFunctionInput{
		FunctionName: &name, Runtime: python(t), Handler: aws.String("main.handler"), Role: aws.String(role),
		Timeout: aws.Int32(20), Code: &types.FunctionCode{ZipFile: zipped(t, "main.py", source)},
		Environment: &types.Environment{Variables: map[string]string{"FROM": "go"}},
	}))(t)
	waiter := lambda.NewFunctionActiveV2Waiter(c.lambda, func(options *lambda.FunctionActiveV2WaiterOptions) {
		options.MinDelay = 20 * time.Millisecond
	})
	must(waiter.Wait(context.Background(), &lambda.GetFunctionInput{FunctionName: &name}, patience))
	return *made.FunctionArn
}

// updated waits until the last change of a function is in force.
func (c *clients) updated(t *testing.T, name string) {
	t.Helper()
	waiter := lambda.NewFunctionUpdatedV2Waiter(c.lambda, func(options *lambda.FunctionUpdatedV2WaiterOptions) {
		options.MinDelay = 20 * time.Millisecond
	})
	must(waiter.Wait(context.Background(), &lambda.GetFunctionInput{FunctionName: &name}, patience))
}

func (c *clients) invoke(t *testing.T, name, payload string) *lambda.InvokeOutput {
	t.Helper()
	return ok(c.lambda.Invoke(context.Background(), &lambda.InvokeInput{
		FunctionName: &name, Payload: []byte(payload), LogType: types.LogTypeTail,
	}))(t)
}

func TestAFunctionIsInvoked(t *testing.T) {
	inEachWay(t, func(t *testing.T, c *clients, name string) {
		c.deploy(t, name, echo)
		answer := c.invoke(t, name, `{"a": "b"}`)
		same(t, answer.StatusCode, 200)
		same(t, *answer.ExecutedVersion, "$LATEST")
		same(t, string(answer.Payload), `{"echo": {"a": "b"}, "version": "$LATEST"}`)
		log := string(ok(base64.StdEncoding.DecodeString(*answer.LogResult))(t))
		if !strings.Contains(log, "saw {'a': 'b'}") || !strings.Contains(log, "REPORT RequestId: ") {
			t.Error(log)
		}
		failed := c.invoke(t, name, `"fail"`)
		same(t, *failed.FunctionError, "Unhandled")
		if !strings.Contains(string(failed.Payload), `"errorType": "ValueError"`) {
			t.Errorf("%s", failed.Payload)
		}
	})
}

func TestAFunctionFromItsCreationToItsEnd(t *testing.T) {
	c, name, ctx := inClearText(), "life", context.Background()
	arn := c.deploy(t, name, echo)
	first := ok(c.lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: &name}))(t)
	same(t, *first.Version, "1")
	source := strings.ReplaceAll(echo, `"echo"`, `"new"`)
	ok(c.lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: &name, ZipFile: zipped(t, "main.py", source)}))(t)
	c.updated(t, name)
	ok(c.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: &name, MemorySize: aws.Int32(256)}))(t)
	c.updated(t, name)
	settings := ok(c.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name}))(t)
	same(t, *settings.MemorySize, 256)
	same(t, settings.Environment.Variables["FROM"], "go")
	alias := ok(c.lambda.CreateAlias(ctx, &lambda.CreateAliasInput{
		FunctionName: &name, Name: aws.String("live"), FunctionVersion: first.Version}))(t)
	same(t, string(c.invoke(t, *alias.AliasArn, "1").Payload), `{"echo": 1, "version": "1"}`)
	same(t, string(c.invoke(t, arn, "1").Payload), `{"new": 1, "version": "$LATEST"}`)
	found := 0
	for pages := lambda.NewListVersionsByFunctionPaginator(c.lambda, &lambda.ListVersionsByFunctionInput{
		FunctionName: &name, MaxItems: aws.Int32(1)}); pages.HasMorePages(); {
		found += len(ok(pages.NextPage(ctx))(t).Versions)
	}
	same(t, found, 2)
	ok(c.lambda.TagResource(ctx, &lambda.TagResourceInput{Resource: &arn, Tags: map[string]string{"team": "a"}}))(t)
	same(t, ok(c.lambda.ListTags(ctx, &lambda.ListTagsInput{Resource: &arn}))(t).Tags["team"], "a")
	ok(c.lambda.DeleteAlias(ctx, &lambda.DeleteAliasInput{FunctionName: &name, Name: aws.String("live")}))(t)
	ok(c.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &name}))(t)
	_, err := c.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &name})
	refused[*types.ResourceNotFoundException](t, err)
}

func TestAStreamIsMappedToAFunction(t *testing.T) {
	inEachWay(t, func(t *testing.T, c *clients, name string) {
		ctx := context.Background()
		stream := c.createStream(t, name, 1)
		c.deploy(t, name, remember)
		// One worker has one /tmp.
		ok(c.lambda.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{
			FunctionName: &name, ReservedConcurrentExecutions: aws.Int32(1)}))(t)
		made := ok(c.lambda.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{
			FunctionName: &name, EventSourceArn: &stream, StartingPosition: types.EventSourcePositionTrimHorizon,
			FunctionResponseTypes: []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures},
		}))(t)
		c.put(t, name, "k", "one")
		c.put(t, name, "k", "two")
		eventually(t, "the function has seen the records in order", func() bool {
			answer, err := c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: []byte("{}")})
			if err != nil {
				refused[*types.TooManyRequestsException](t, err)
				return false
			}
			return string(answer.Payload) == `{"seen": "one two "}`
		})
		state := func() string {
			return *ok(c.lambda.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: made.UUID}))(t).State
		}
		same(t, state(), "Enabled")
		listed := ok(c.lambda.ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{EventSourceArn: &stream}))(t)
		same(t, *listed.EventSourceMappings[0].UUID, *made.UUID)
		changed := ok(c.lambda.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{
			UUID: made.UUID, BatchSize: aws.Int32(7), Enabled: aws.Bool(false)}))(t)
		same(t, *changed.BatchSize, 7)
		eventually(t, "the mapping is disabled", func() bool { return state() == "Disabled" })
		ok(c.lambda.DeleteEventSourceMapping(ctx, &lambda.DeleteEventSourceMappingInput{UUID: made.UUID}))(t)
		ok(c.kinesis.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: &name}))(t)
	})
}
