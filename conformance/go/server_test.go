// Package conformance_test holds the AWS SDK for Go, version 2, against the real server process.
package conformance_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

const (
	region     = "us-east-1"
	firstShard = "shardId-000000000000"
	startLimit = time.Minute
	patience   = time.Minute
)

// Two servers that ask for signatures with one key: one in clear text, one over TLS.
var (
	plain, secure *server
	key           struct{ AccessKeyID, SecretAccessKey string }
	authority     *x509.CertPool
)

func init() {
	// The servers end with the thread that started them, where the system can say so: the first one lives longest.
	runtime.LockOSThread()
}

func TestMain(m *testing.M) {
	os.Exit(withServers(m.Run))
}

func withServers(run func() int) int {
	scratch, err := os.MkdirTemp("", "millstream-go-")
	must(err)
	defer os.RemoveAll(scratch)
	file := filepath.Join(scratch, "credentials.json")
	made, err := exec.Command(binary(), "credentials", "create", "go", "--admin", "--format", "json", "--credentials", file).Output()
	must(err)
	must(json.Unmarshal(made, &key))
	plain = start(scratch, "plain", "--credentials", file)
	defer plain.stop()
	certificate := filepath.Join(scratch, "ca.pem")
	secure = start(scratch, "secure", "--credentials", file, "--tls", "self-signed", "--tls-ca-file", certificate)
	defer secure.stop()
	text, err := os.ReadFile(certificate)
	must(err)
	authority = x509.NewCertPool()
	authority.AppendCertsFromPEM(text)
	return run()
}

// A millstream process in memory.
type server struct {
	address string
	process *exec.Cmd
}

func binary() string {
	if path := os.Getenv("MILLSTREAM_BIN"); path != "" {
		return path
	}
	return "../../target/debug/millstream"
}

func start(scratch, name string, more ...string) *server {
	ready := filepath.Join(scratch, name+".ready")
	arguments := []string{"serve", "--bind", "127.0.0.1:0", "--memory", "--ready-file", ready}
	process := exec.Command(binary(), append(arguments, more...)...)
	process.SysProcAttr = endsWithParent()
	log, err := os.Create(filepath.Join(scratch, name+".log"))
	must(err)
	defer log.Close()
	process.Stdout, process.Stderr = log, log
	must(process.Start())
	for deadline := time.Now().Add(startLimit); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if address, err := os.ReadFile(ready); err == nil && len(address) > 0 {
			return &server{strings.TrimSpace(string(address)), process}
		}
	}
	_ = process.Process.Kill()
	said, _ := os.ReadFile(log.Name())
	panic(fmt.Sprintf("the server did not start:\n%s", said))
}

func (s *server) stop() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// A way to speak to a server.
type way struct {
	name     string
	server   func() *server
	protocol string
	settings func(*http.Transport)
}

// The ways that Go's HTTP client has.
var ways = []way{
	{"HTTP1", func() *server { return plain }, "HTTP/1.1", func(*http.Transport) {}},
	{"HTTP2PriorKnowledge", func() *server { return plain }, "HTTP/2.0", func(transport *http.Transport) {
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
	}},
	{"HTTP2OverTLS", func() *server { return secure }, "HTTP/2.0", func(transport *http.Transport) {
		transport.TLSClientConfig = &tls.Config{RootCAs: authority, MinVersion: tls.VersionTLS12}
	}},
}

// Clients as a customer would set them up, and the protocols of the answers that they got.
type clients struct {
	kinesis *kinesis.Client
	lambda  *lambda.Client

	inner     aws.HTTPClient
	lock      sync.Mutex
	protocols map[string]bool
}

func newClients(way way, provider aws.CredentialsProvider) *clients {
	made := &clients{
		inner:     awshttp.NewBuildableClient().WithTransportOptions(way.settings),
		protocols: map[string]bool{},
	}
	address := aws.String(way.server().address)
	made.kinesis = kinesis.New(kinesis.Options{
		BaseEndpoint: address, Region: region, Credentials: provider, HTTPClient: made, RetryMaxAttempts: 1,
	})
	made.lambda = lambda.New(lambda.Options{
		BaseEndpoint: address, Region: region, Credentials: provider, HTTPClient: made, RetryMaxAttempts: 1,
	})
	return made
}

// Do sends a request and remembers how it was answered.
//
// The SDK closes a request's body as soon as the answer begins, and Go's client, which may not have looked for the body's
// end yet, then takes the close for an error and hangs up in the middle of the answer: with any server that is near and
// quick, over HTTP/1.1. The SDK tries again when that happens; these tests, which want to see each answer, give Go's
// client a body of its own.
func (c *clients) Do(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, err
		}
		request = request.Clone(request.Context())
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	response, err := c.inner.Do(request)
	if err == nil {
		c.lock.Lock()
		c.protocols[response.Proto] = true
		c.lock.Unlock()
	}
	return response, err
}

func owner() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, "")
}

// inClearText gives the clients of most tests.
func inClearText() *clients {
	return newClients(ways[0], owner())
}

// inEachWay runs a test once for each way to speak to a server, with a name for what it makes.
func inEachWay(t *testing.T, test func(t *testing.T, c *clients, name string)) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			c := newClients(way, owner())
			test(t, c, t.Name()[strings.LastIndex(t.Name(), "/")+1:]+"-"+strings.SplitN(t.Name(), "/", 2)[0])
			if len(c.protocols) != 1 || !c.protocols[way.protocol] {
				t.Errorf("the answers came over %v instead of %s", c.protocols, way.protocol)
			}
		})
	}
}

// ok gives what a call answered; the test ends if the call failed.
func ok[T any](answer T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
}

// refused gives the typed error with which a call must fail.
func refused[E error](t *testing.T, err error) E {
	t.Helper()
	var wanted E
	if !errors.As(err, &wanted) {
		t.Fatalf("it was not refused with %T: %v", wanted, err)
	}
	return wanted
}

func same[T comparable](t *testing.T, found, wanted T) {
	t.Helper()
	if found != wanted {
		t.Fatalf("found %v instead of %v", found, wanted)
	}
}

// eventually waits until a probe is true.
func eventually(t *testing.T, what string, probe func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !probe(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after %s: %s", patience, what)
		}
	}
}

// createStream creates a stream and waits until it is active; its ARN.
func (c *clients) createStream(t *testing.T, name string, shards int32) string {
	t.Helper()
	ctx := context.Background()
	ok(c.kinesis.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &name, ShardCount: &shards}))(t)
	waiter := kinesis.NewStreamExistsWaiter(c.kinesis, func(options *kinesis.StreamExistsWaiterOptions) {
		options.MinDelay = 20 * time.Millisecond
	})
	must(waiter.Wait(ctx, &kinesis.DescribeStreamInput{StreamName: &name}, patience))
	return *c.summary(t, name).StreamARN
}

func (c *clients) summary(t *testing.T, name string) *types.StreamDescriptionSummary {
	t.Helper()
	input := &kinesis.DescribeStreamSummaryInput{StreamName: &name}
	return ok(c.kinesis.DescribeStreamSummary(context.Background(), input))(t).StreamDescriptionSummary
}

// settled waits until a stream is active again.
func (c *clients) settled(t *testing.T, name string) (summary *types.StreamDescriptionSummary) {
	t.Helper()
	eventually(t, name+" is active", func() bool {
		summary = c.summary(t, name)
		return summary.StreamStatus == types.StreamStatusActive
	})
	return summary
}

func (c *clients) put(t *testing.T, name, partitionKey, data string) *kinesis.PutRecordOutput {
	t.Helper()
	input := &kinesis.PutRecordInput{StreamName: &name, PartitionKey: &partitionKey, Data: []byte(data)}
	return ok(c.kinesis.PutRecord(context.Background(), input))(t)
}

// read gives a shard's records up to its present end, and the last answer.
func (c *clients) read(t *testing.T, start *kinesis.GetShardIteratorInput) ([]types.Record, *kinesis.GetRecordsOutput) {
	t.Helper()
	iterator := ok(c.kinesis.GetShardIterator(context.Background(), start))(t).ShardIterator
	var records []types.Record
	for {
		page := ok(c.kinesis.GetRecords(context.Background(), &kinesis.GetRecordsInput{ShardIterator: iterator}))(t)
		records = append(records, page.Records...)
		iterator = page.NextShardIterator
		if iterator == nil || (len(page.Records) == 0 && *page.MillisBehindLatest == 0) {
			return records, page
		}
	}
}

func fromTheStart(stream, shard string) *kinesis.GetShardIteratorInput {
	return &kinesis.GetShardIteratorInput{
		StreamName: &stream, ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	}
}

func texts(records []types.Record) string {
	var all []string
	for _, record := range records {
		all = append(all, string(record.Data))
	}
	return strings.Join(all, " ")
}
