// Millstream's Java runtime: runs one handler against the Lambda Runtime API.
//
// It needs nothing but a Java from version 11 on, and is compiled by the server when a Java function is first made. Where the
// function brings AWS's own client (aws-lambda-java-runtime-interface-client), that runs it instead.

package millstream;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

public final class Bootstrap {
    private static final String VERSION = "/2018-06-01/runtime/";
    private static final String BAD_CODE = "Runtime.BadFunctionCode";
    private static final String CORE = "com.amazonaws.services.lambda.runtime.";

    private static final PrintStream OUT = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

    /** The platform's channel for log events; null if it gave none. */
    private static final FileOutputStream EVENTS = events();

    private static FileOutputStream events() {
        String fd = System.getenv("_LAMBDA_TELEMETRY_LOG_FD");
        try {
            return fd == null ? null : new FileOutputStream("/proc/self/fd/" + fd);
        } catch (IOException error) {
            return null;
        }
    }

    /** A text of one or more lines, without the end of the last. */
    private static void log(String text) throws IOException {
        if (EVENTS == null) OUT.println(text);
        else frame(text.getBytes(StandardCharsets.UTF_8));
    }

    /** A frame says where an event ends, however many lines it has: its type, the length of its text, the time in microseconds. */
    private static void frame(byte[] text) throws IOException {
        ByteBuffer frame = ByteBuffer.allocate(16 + text.length);
        frame.putInt(0xa55a0003).putInt(text.length).putLong(System.currentTimeMillis() * 1000).put(text);
        EVENTS.write(frame.array());
    }

    public static void main(String[] arguments) throws Exception {
        System.setOut(OUT);
        System.setErr(new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8));
        String name = System.getenv("_HANDLER");
        try {
            Class<?> official = Class.forName(CORE + "api.client.AWSLambda");
            official.getMethod("main", String[].class).invoke(null, (Object) new String[] {name});
            return;
        } catch (ClassNotFoundException absent) {
            // The usual case.
        }
        Api api = new Api(System.getenv("AWS_LAMBDA_RUNTIME_API"));
        Handler handler = null;
        Fault unusable = null;
        try {
            handler = Handler.load(name);
        } catch (Handler.Unusable error) {
            unusable = new Fault(error);
        } catch (Throwable error) {
            Fault fault = Fault.of(error);
            log(fault.logged());
            api.call("POST", "init/error", fault.json(false), errorHeaders(BAD_CODE));
            System.exit(1);
            return;
        }
        while (true) {
            Answer next = api.call("GET", "invocation/next", null, Map.of());
            if (unusable == null) {
                run(api, handler, next);
            } else {
                log(unusable.logged());
                api.call("POST", "invocation/" + next.headers.get("lambda-runtime-aws-request-id") + "/error", unusable.json(false), errorHeaders(BAD_CODE));
            }
        }
    }

    private static Map<String, String> errorHeaders(String type) {
        return Map.of("Content-Type", "application/json", "Lambda-Runtime-Function-Error-Type", type);
    }

    private static void run(Api api, Handler handler, Answer next) throws IOException {
        String id = next.headers.get("lambda-runtime-aws-request-id");
        String trace = next.headers.get("lambda-runtime-trace-id");
        if (trace == null) {
            System.clearProperty("com.amazonaws.xray.traceHeader");
        } else {
            System.setProperty("com.amazonaws.xray.traceHeader", trace);
        }
        byte[] answer;
        try {
            answer = handler.call(next.body, context(next.headers));
        } catch (Throwable error) {
            Fault fault = Fault.of(error);
            log(fault.logged());
            api.call("POST", "invocation/" + id + "/error", fault.json(true), errorHeaders("Runtime.UserException"));
            // What the virtual machine itself could not do leaves it in a state that nobody knows.
            if (fault.error instanceof VirtualMachineError) System.exit(1);
            return;
        }
        api.call("POST", "invocation/" + id + "/response", answer, Map.of("Content-Type", "application/json"));
    }

    /** The context, of the interface that the function's own copy of aws-lambda-java-core has; null if it has none. */
    private static Object context(Map<String, String> headers) throws IOException {
        long deadline = Long.parseLong(headers.getOrDefault("lambda-runtime-deadline-ms", "0"));
        Map<String, Object> values = new HashMap<>();
        values.put("getAwsRequestId", headers.get("lambda-runtime-aws-request-id"));
        values.put("getLogGroupName", System.getenv("AWS_LAMBDA_LOG_GROUP_NAME"));
        values.put("getLogStreamName", System.getenv("AWS_LAMBDA_LOG_STREAM_NAME"));
        values.put("getFunctionName", System.getenv("AWS_LAMBDA_FUNCTION_NAME"));
        values.put("getFunctionVersion", System.getenv("AWS_LAMBDA_FUNCTION_VERSION"));
        values.put("getInvokedFunctionArn", headers.get("lambda-runtime-invoked-function-arn"));
        values.put("getTenantId", headers.get("lambda-runtime-aws-tenant-id"));
        values.put("getMemoryLimitInMB", Integer.valueOf(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")));
        values.put("getLogger", logger());
        values.put("getIdentity", identity(headers.get("lambda-runtime-cognito-identity")));
        values.put("getClientContext", clientContext(headers.get("lambda-runtime-client-context")));
        return made("Context", values, deadline);
    }

    private static Object identity(String text) throws IOException {
        if (text == null) return null;
        Map<?, ?> given = (Map<?, ?>) Json.parse(text.getBytes(StandardCharsets.UTF_8));
        Map<String, Object> values = new HashMap<>();
        values.put("getIdentityId", given.get("cognitoIdentityId"));
        values.put("getIdentityPoolId", given.get("cognitoIdentityPoolId"));
        return made("CognitoIdentity", values, 0);
    }

    private static Object clientContext(String text) throws IOException {
        if (text == null) return null;
        Map<?, ?> given = (Map<?, ?>) Json.parse(text.getBytes(StandardCharsets.UTF_8));
        Map<String, Object> values = new HashMap<>();
        values.put("getCustom", given.get("custom"));
        values.put("getEnvironment", given.get("env"));
        if (given.get("client") instanceof Map) {
            Map<?, ?> client = (Map<?, ?>) given.get("client");
            Map<String, Object> about = new HashMap<>();
            about.put("getInstallationId", client.get("installation_id"));
            about.put("getAppTitle", client.get("app_title"));
            about.put("getAppVersionName", client.get("app_version_name"));
            about.put("getAppVersionCode", client.get("app_version_code"));
            about.put("getAppPackageName", client.get("app_package_name"));
            values.put("getClient", made("Client", about, 0));
        }
        return made("ClientContext", values, 0);
    }

    private static Object logger() {
        Class<?> type = core("LambdaLogger");
        if (type == null) return null;
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (self, method, arguments) -> {
            if (!method.getName().equals("log")) return ofObject(self, method.getName(), arguments, "LambdaLogger");
            byte[] text = arguments[0] instanceof byte[] ? (byte[]) arguments[0] : String.valueOf(arguments[0]).getBytes(StandardCharsets.UTF_8);
            if (EVENTS == null) {
                OUT.write(text, 0, text.length);
                OUT.flush();
            } else {
                frame(text);
            }
            return null;
        });
    }

    private static Object made(String name, Map<String, Object> values, long deadline) {
        Class<?> type = core(name);
        if (type == null) return null;
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (self, method, arguments) -> {
            if (method.getName().equals("getRemainingTimeInMillis")) return (int) Math.max(0, deadline - System.currentTimeMillis());
            return values.containsKey(method.getName()) ? values.get(method.getName()) : ofObject(self, method.getName(), arguments, name);
        });
    }

    private static Object ofObject(Object self, String method, Object[] arguments, String name) {
        switch (method) {
            case "hashCode":
                return System.identityHashCode(self);
            case "equals":
                return self == arguments[0];
            case "toString":
                return name + "@" + Integer.toHexString(System.identityHashCode(self));
            default:
                return null;
        }
    }

    static Class<?> core(String name) {
        try {
            return Class.forName(CORE + name);
        } catch (ClassNotFoundException absent) {
            return null;
        }
    }

    private static final class Answer {
        int status;
        final Map<String, String> headers = new HashMap<>();
        byte[] body;
    }

    /** The Runtime API over one kept connection. The server always announces the length of a body. */
    private static final class Api {
        private final String address;
        private Socket socket;
        private InputStream in;

        Api(String address) {
            this.address = address;
        }

        Answer call(String method, String path, byte[] body, Map<String, String> headers) throws IOException {
            if (socket == null) {
                int colon = address.lastIndexOf(':');
                socket = new Socket(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1)));
                socket.setTcpNoDelay(true);
                in = new BufferedInputStream(socket.getInputStream(), 64 * 1024);
            }
            StringBuilder head = new StringBuilder(method + " " + VERSION + path + " HTTP/1.1\r\nHost: " + address + "\r\n");
            headers.forEach((name, value) -> head.append(name).append(": ").append(value.replaceAll("[^ -~]", "?")).append("\r\n"));
            if (body != null) head.append("Content-Length: ").append(body.length).append("\r\n");
            ByteArrayOutputStream whole = new ByteArrayOutputStream();
            whole.write(head.append("\r\n").toString().getBytes(StandardCharsets.UTF_8));
            if (body != null) whole.write(body);
            whole.writeTo(socket.getOutputStream());
            return answer();
        }

        private Answer answer() throws IOException {
            Answer answer = new Answer();
            answer.status = Integer.parseInt(line().split(" ")[1]);
            for (String line = line(); !line.isEmpty(); line = line()) {
                int colon = line.indexOf(':');
                answer.headers.put(line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1).trim());
            }
            answer.body = in.readNBytes(Integer.parseInt(answer.headers.getOrDefault("content-length", "0")));
            if (answer.status == 403 || answer.status >= 500) throw new IOException("the Runtime API answered " + answer.status);
            return answer;
        }

        private String line() throws IOException {
            ByteArrayOutputStream line = new ByteArrayOutputStream();
            for (int next = in.read(); next != '\n'; next = in.read()) {
                if (next < 0) throw new EOFException("the Runtime API closed the connection");
                if (next != '\r') line.write(next);
            }
            return line.toString(StandardCharsets.UTF_8);
        }
    }

    /** An error as AWS's client tells it: without the frames that lead to the function's own. */
    private static final class Fault {
        final Throwable error;
        final String type;

        private Fault(Throwable error) {
            this.error = error;
            Throwable told = error instanceof Handler.NotLoaded ? error.getCause() : error;
            this.type = error instanceof Handler.Unusable ? ((Handler.Unusable) error).type : told.getClass().getName();
        }

        static Fault of(Throwable error) {
            Throwable inner = error;
            while (inner instanceof InvocationTargetException && inner.getCause() != null) inner = inner.getCause();
            return new Fault(inner);
        }

        private static StackTraceElement[] frames(Throwable error) {
            List<StackTraceElement> frames = new ArrayList<>();
            for (StackTraceElement frame : error.getStackTrace()) {
                String name = frame.getClassName();
                if (name.startsWith("millstream.")) break;
                frames.add(frame);
            }
            // How a method is called by reflection.
            while (!frames.isEmpty() && frames.get(frames.size() - 1).getClassName().matches("(java\\.lang|jdk\\.internal)\\..*reflect\\..*")) {
                frames.remove(frames.size() - 1);
            }
            return frames.toArray(new StackTraceElement[0]);
        }

        private String message() {
            return error.getMessage() == null ? type : error.getMessage();
        }

        byte[] json(boolean withTrace) throws IOException {
            Map<String, Object> told = new LinkedHashMap<>();
            told.put("errorMessage", message());
            told.put("errorType", type);
            if (withTrace) {
                List<String> trace = new ArrayList<>();
                for (StackTraceElement frame : frames(error)) trace.add(frame.toString());
                told.put("stackTrace", trace);
            }
            return Json.write(told);
        }

        String logged() {
            if (error instanceof Handler.Unusable) return message() + (type == null ? "" : ": " + type);
            Throwable shown = error instanceof Handler.NotLoaded ? error.getCause() : error;
            int depth = 0;
            for (Throwable at = shown; at != null && depth < 100; at = at.getCause(), depth++) at.setStackTrace(frames(at));
            StringWriter trace = new StringWriter();
            shown.printStackTrace(new PrintWriter(trace, true));
            return message() + ": " + type + "\n" + trace;
        }
    }
}
