package millstream;

import static millstream.Conformance.holds;
import static millstream.Conformance.refused;
import static millstream.Conformance.same;

import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.lambda.AWSLambdaClientBuilder;
import com.amazonaws.services.lambda.model.InvokeRequest;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.lambda.LambdaAsyncClient;
import software.amazon.awssdk.services.lambda.LambdaClient;
import software.amazon.awssdk.services.lambda.model.CreateFunctionResponse;
import software.amazon.awssdk.services.lambda.model.EventSourcePosition;
import software.amazon.awssdk.services.lambda.model.FunctionResponseType;
import software.amazon.awssdk.services.lambda.model.InvokeResponse;
import software.amazon.awssdk.services.lambda.model.LogType;
import software.amazon.awssdk.services.lambda.model.ResourceNotFoundException;
import software.amazon.awssdk.services.lambda.model.TooManyRequestsException;

/** Functions and mappings, managed and invoked. */
final class Functions {
    private static final String ECHO = """
            def handler(event, context):
                print("saw", event)
                if event == "fail":
                    raise ValueError("as asked")
                return {"echo": event, "version": context.function_version}
            """;
    private static final String REMEMBER = """
            import base64
            def handler(event, context):
                with open("/tmp/seen", "a") as file:
                    for record in event.get("Records", []):
                        file.write(base64.b64decode(record["kinesis"]["data"]).decode() + " ")
                return {"seen": open("/tmp/seen").read()}
            """;

    private final Clients clients;
    private final Server server;
    private final LambdaClient lambda;

    Functions(Clients clients, Server server) {
        this.clients = clients;
        this.server = server;
        lambda = Clients.setUp(LambdaClient.builder(), server).build();
    }

    void addTo(Map<String, Conformance.Check> checks) {
        checks.put("a function is created, invoked, changed and deleted", this::life);
        checks.put("versions, aliases, layers and tags", this::versions);
        checks.put("a stream is mapped to a function", this::mapping);
        checks.put("the async client and version 1 invoke", this::otherClients);
    }

    private static SdkBytes zip(String name, String source) throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (var archive = new ZipOutputStream(bytes)) {
            archive.putNextEntry(new ZipEntry(name));
            archive.write(source.getBytes(StandardCharsets.UTF_8));
        }
        return SdkBytes.fromByteArray(bytes.toByteArray());
    }

    /** The runtime for the Python of this machine. */
    private static String runtime() throws IOException {
        String script = "import sys; print('python%d.%d' % sys.version_info[:2])";
        Process python = new ProcessBuilder("python3", "-c", script).start();
        return new String(python.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    }

    /** Creates a function and waits until it is active. */
    private CreateFunctionResponse deploy(String name, String source, String... layers) throws IOException {
        SdkBytes code = zip("main.py", source);
        String runtime = runtime();
        var made = lambda.createFunction(request -> request.functionName(name).runtime(runtime).handler("main.handler")
                .role("arn:aws:iam::000000000000:role/function").timeout(20).layers(layers)
                .environment(variables -> variables.variables(Map.of("FROM", "java"))).code(parts -> parts.zipFile(code)));
        lambda.waiter().waitUntilFunctionActiveV2(request -> request.functionName(name));
        return made;
    }

    private InvokeResponse invoke(String name, String payload) {
        return lambda.invoke(request -> request.functionName(name).logType(LogType.TAIL).payload(SdkBytes.fromUtf8String(payload)));
    }

    private void life() throws Exception {
        String name = "life";
        var made = deploy(name, ECHO);
        same(made.stateAsString(), "Pending");
        InvokeResponse answer = invoke(name, "{\"a\": 1}");
        same(answer.statusCode(), 200);
        same(answer.payload().asUtf8String(), "{\"echo\": {\"a\": 1}, \"version\": \"$LATEST\"}");
        String log = new String(Base64.getDecoder().decode(answer.logResult()), StandardCharsets.UTF_8);
        holds(log.contains("saw {'a': 1}") && log.contains("REPORT RequestId: "), "the end of the log comes along: " + log);
        InvokeResponse failed = invoke(name, "\"fail\"");
        same(failed.functionError(), "Unhandled");
        holds(failed.payload().asUtf8String().contains("\"errorType\": \"ValueError\""), "the error is told");

        SdkBytes code = zip("main.py", ECHO.replace("\"echo\"", "\"new\""));
        lambda.updateFunctionCode(request -> request.functionName(name).zipFile(code));
        lambda.waiter().waitUntilFunctionUpdatedV2(request -> request.functionName(name));
        lambda.updateFunctionConfiguration(request -> request.functionName(name).memorySize(256));
        lambda.waiter().waitUntilFunctionUpdatedV2(request -> request.functionName(name));
        var settings = lambda.getFunctionConfiguration(request -> request.functionName(name));
        same(settings.memorySize(), 256);
        same(settings.environment().variables(), Map.of("FROM", "java"));
        same(invoke(name, "1").payload().asUtf8String(), "{\"new\": 1, \"version\": \"$LATEST\"}");
        holds(lambda.listFunctionsPaginator(request -> request.maxItems(1)).functions().stream()
                .anyMatch(function -> function.functionName().equals(name)), "it is listed");
        lambda.deleteFunction(request -> request.functionName(name));
        var missing = refused(ResourceNotFoundException.class, () -> lambda.getFunction(request -> request.functionName(name)));
        same(missing.statusCode(), 404);
        same(missing.awsErrorDetails().errorMessage(), "Function not found: " + made.functionArn());
    }

    private void versions() throws Exception {
        SdkBytes content = zip("python/shared.py", "VALUE = 'from the layer'\n");
        String layer = lambda.publishLayerVersion(request -> request.layerName("library").content(zip -> zip.zipFile(content)))
                .layerVersionArn();
        String arn = deploy("versioned", "import shared\ndef handler(event, context):\n    return shared.VALUE\n", layer).functionArn();
        same(lambda.listLayerVersions(request -> request.layerName("library")).layerVersions().get(0).layerVersionArn(), layer);
        String version = lambda.publishVersion(request -> request.functionName("versioned")).version();
        lambda.createAlias(request -> request.functionName("versioned").name("live").functionVersion(version));
        InvokeResponse answer = invoke("versioned:live", "1");
        same(answer.executedVersion(), "1");
        same(answer.payload().asUtf8String(), "\"from the layer\"");
        lambda.updateAlias(request -> request.functionName("versioned").name("live").description("changed"));
        same(lambda.getAlias(request -> request.functionName("versioned").name("live")).description(), "changed");
        same(lambda.listAliases(request -> request.functionName("versioned")).aliases().size(), 1);
        same(lambda.listVersionsByFunction(request -> request.functionName("versioned")).versions().size(), 2);
        lambda.tagResource(request -> request.resource(arn).tags(Map.of("team", "a", "stage", "test")));
        lambda.untagResource(request -> request.resource(arn).tagKeys("stage"));
        same(lambda.listTags(request -> request.resource(arn)).tags(), Map.of("team", "a"));
        lambda.deleteAlias(request -> request.functionName("versioned").name("live"));
        lambda.deleteLayerVersion(request -> request.layerName("library").versionNumber(1L));
    }

    private void mapping() throws Exception {
        String name = "mapped";
        String stream = clients.createStream(name).streamARN();
        deploy(name, REMEMBER);
        // One worker has one /tmp.
        lambda.putFunctionConcurrency(request -> request.functionName(name).reservedConcurrentExecutions(1));
        String uuid = lambda.createEventSourceMapping(request -> request.functionName(name).eventSourceArn(stream)
                .startingPosition(EventSourcePosition.TRIM_HORIZON)
                .functionResponseTypes(FunctionResponseType.REPORT_BATCH_ITEM_FAILURES)).uuid();
        for (String text : new String[] {"one", "two"}) {
            clients.blocking.putRecord(request -> request.streamName(name).partitionKey("k").data(SdkBytes.fromUtf8String(text)));
        }
        Conformance.eventually("the function has seen the records in order", () -> {
            try {
                return invoke(name, "{}").payload().asUtf8String().equals("{\"seen\": \"one two \"}");
            } catch (TooManyRequestsException busy) {
                return false;
            }
        });
        same(lambda.getEventSourceMapping(request -> request.uuid(uuid)).state(), "Enabled");
        same(lambda.listEventSourceMappings(request -> request.eventSourceArn(stream)).eventSourceMappings().get(0).uuid(), uuid);
        same(lambda.updateEventSourceMapping(request -> request.uuid(uuid).batchSize(7).enabled(false)).batchSize(), 7);
        Conformance.eventually("the mapping is disabled", () ->
                lambda.getEventSourceMapping(request -> request.uuid(uuid)).state().equals("Disabled"));
        lambda.deleteEventSourceMapping(request -> request.uuid(uuid));
        lambda.deleteFunctionConcurrency(request -> request.functionName(name));
    }

    private void otherClients() throws Exception {
        deploy("shared", ECHO);
        String wanted = "{\"echo\": 1, \"version\": \"$LATEST\"}";
        try (LambdaAsyncClient async = Clients.setUp(LambdaAsyncClient.builder(), server).build()) {
            var answer = async.invoke(request -> request.functionName("shared").payload(SdkBytes.fromUtf8String("1"))).get();
            same(answer.payload().asUtf8String(), wanted);
        }
        var one = AWSLambdaClientBuilder.standard()
                .withEndpointConfiguration(new EndpointConfiguration(server.address.toString(), "us-east-1"))
                .withCredentials(new AWSStaticCredentialsProvider(new BasicAWSCredentials(server.keyId, server.secret)))
                .build();
        var answer = one.invoke(new InvokeRequest().withFunctionName("shared").withPayload("1"));
        same(StandardCharsets.UTF_8.decode(answer.getPayload()).toString(), wanted);
        var missing = refused(com.amazonaws.services.lambda.model.ResourceNotFoundException.class, () ->
                one.invoke(new InvokeRequest().withFunctionName("nobody")));
        same(missing.getErrorMessage(), "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody:$LATEST");
        one.shutdown();
    }
}
