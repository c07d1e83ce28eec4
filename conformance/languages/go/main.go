// Takes Kinesis records and puts the number of their bytes onto the stream `forwarded`; answers {"fail": …} and the like as the
// tests need them.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

func main() {
	fmt.Println("starting")
	lambda.Start(handle)
}

func handle(ctx context.Context, raw json.RawMessage) (any, error) {
	var event map[string]any
	if err := json.Unmarshal(raw, &event); err != nil {
		return nil, err
	}
	switch {
	case event["Records"] != nil:
		return forward(raw)
	case event["fail"] != nil:
		return nil, errors.New(event["fail"].(string))
	case event["panic"] != nil:
		panic("as it was asked to")
	case event["exit"] != nil:
		os.Exit(3)
	}
	fmt.Println("handling")
	about, _ := lambdacontext.FromContext(ctx)
	return map[string]any{
		"event": event, "id": about.AwsRequestID, "arn": about.InvokedFunctionArn,
		"memory": lambdacontext.MemoryLimitInMB, "name": lambdacontext.FunctionName, "task": os.Getenv("LAMBDA_TASK_ROOT"),
	}, nil
}

func forward(raw []byte) (any, error) {
	var event events.KinesisEvent
	if err := json.Unmarshal(raw, &event); err != nil {
		return nil, err
	}
	for _, record := range event.Records {
		err := put(map[string]any{"key": record.Kinesis.PartitionKey, "bytes": len(record.Kinesis.Data), "from": "go"})
		if err != nil {
			return nil, err
		}
	}
	return events.KinesisEventResponse{BatchItemFailures: []events.KinesisBatchItemFailure{}}, nil
}

// put puts a record with nothing but the standard library.
func put(value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"StreamName": "forwarded", "PartitionKey": "out", "Data": base64.StdEncoding.EncodeToString(data)})
	if err != nil {
		return err
	}
	request, err := http.NewRequest("POST", os.Getenv("AWS_ENDPOINT_URL"), bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "Kinesis_20131202.PutRecord")
	request.Header.Set("X-Amz-Date", "20260101T000000Z")
	scope := os.Getenv("AWS_ACCESS_KEY_ID") + "/20260101/" + os.Getenv("AWS_REGION") + "/kinesis/aws4_request"
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+scope+", SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		said, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("%s: %s", answer.Status, said)
	}
	return nil
}
