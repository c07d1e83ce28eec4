// The function's handler: a class with one of AWS's interfaces, or any public method.

package millstream;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.util.Comparator;
import java.util.Optional;
import java.util.stream.Stream;

final class Handler {
    private final Object instance;
    private final Method method;
    private final boolean streams;
    private final boolean hasContext;

    /** What is called in place of `method`: that of AWS's interface, whose own call of the method is in traces then. */
    private final Method called;

    private Handler(Object instance, Method method, Method called) {
        this.instance = instance;
        this.method = method;
        this.called = called;
        Class<?>[] types = method.getParameterTypes();
        this.streams = types.length >= 2 && types[0] == InputStream.class && types[1] == OutputStream.class;
        this.hasContext = types.length > 0 && types[types.length - 1] == Bootstrap.core("Context");
    }

    /** `package.Class::method`, or `package.Class` with one of AWS's interfaces. */
    static Handler load(String name) throws Exception {
        int colons = name.indexOf("::");
        String className = colons < 0 ? name : name.substring(0, colons);
        String methodName = colons < 0 ? null : name.substring(colons + 2);
        if (className.isEmpty() || "".equals(methodName)) throw new Unusable("Invalid handler: `" + name + "'", null);
        Class<?> type;
        try {
            type = Class.forName(className);
        } catch (ClassNotFoundException absent) {
            throw new Unusable("Class not found: " + className, "java.lang.ClassNotFoundException");
        } catch (LinkageError error) {
            throw new NotLoaded("Error loading class " + className, error);
        }
        Class<?> streamHandler = Bootstrap.core("RequestStreamHandler");
        Class<?> requestHandler = Bootstrap.core("RequestHandler");
        boolean isHandler = Stream.of(streamHandler, requestHandler).anyMatch(known -> known != null && known.isAssignableFrom(type));
        if (methodName == null && !isHandler) {
            throw new Unusable("Class does not implement an appropriate handler interface: " + className, null);
        }
        Method method = find(type, methodName == null ? "handleRequest" : methodName).orElseThrow(() -> new Unusable(
            "No public method named " + methodName + " with appropriate method signature found on class " + className, null));
        // A class outside this package's reach is still the function's own.
        method.setAccessible(true);
        Object instance = null;
        if (!Modifier.isStatic(method.getModifiers())) {
            try {
                var constructor = type.getConstructor();
                constructor.setAccessible(true);
                instance = constructor.newInstance();
            } catch (NoSuchMethodException absent) {
                throw new Unusable("Class " + className + " has no public zero-argument constructor", "java.lang.Exception");
            }
        }
        Method called = method;
        if (methodName == null && requestHandler != null && requestHandler.isAssignableFrom(type)) {
            called = requestHandler.getMethods()[0];
        }
        return new Handler(instance, method, called);
    }

    /** The function's code has no such handler. Each invocation is told so. */
    static final class Unusable extends Exception {
        private static final long serialVersionUID = 1;
        /** The type that AWS's client gives it, if any. */
        final String type;

        Unusable(String message, String type) {
            super(message, null, false, false);
            this.type = type;
        }
    }

    /** The handler's class could not be initialised. */
    static final class NotLoaded extends Exception {
        private static final long serialVersionUID = 1;

        NotLoaded(String message, Throwable cause) {
            super(message, cause, false, false);
        }
    }

    /** What has no trace of its own: the event or the answer is not what the handler's types say. */
    private static RuntimeException ofJson(String doing, Exception error) {
        RuntimeException told = new RuntimeException("An error occurred during JSON " + doing, error);
        told.setStackTrace(new StackTraceElement[0]);
        return told;
    }

    /** Of the methods of a name, the one that takes most; one that takes the context before one that does not. */
    private static Optional<Method> find(Class<?> type, String name) {
        Class<?> context = Bootstrap.core("Context");
        Comparator<Method> order = Comparator.<Method>comparingInt(Method::getParameterCount)
            .thenComparing(method -> endsIn(method, context)).thenComparing(method -> !method.isBridge());
        return Stream.of(type.getMethods()).filter(method -> method.getName().equals(name) && fits(method, context)).max(order);
    }

    private static boolean endsIn(Method method, Class<?> context) {
        Class<?>[] types = method.getParameterTypes();
        return context != null && types.length > 0 && types[types.length - 1] == context;
    }

    private static boolean fits(Method method, Class<?> context) {
        Class<?>[] types = method.getParameterTypes();
        int rest = types.length - (endsIn(method, context) ? 1 : 0);
        return rest <= 1 || (rest == 2 && types[0] == InputStream.class && types[1] == OutputStream.class);
    }

    /** The answer's bytes. */
    byte[] call(byte[] event, Object context) throws Throwable {
        Type[] types = method.getGenericParameterTypes();
        Object[] arguments = new Object[types.length];
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        if (hasContext) arguments[types.length - 1] = context;
        if (streams) {
            arguments[0] = new ByteArrayInputStream(event);
            arguments[1] = out;
        } else if (types.length > (hasContext ? 1 : 0)) {
            try {
                arguments[0] = types[0] == InputStream.class ? new ByteArrayInputStream(event) : Json.read(event, types[0]);
            } catch (Exception error) {
                throw ofJson("parsing", error);
            }
        }
        Object answer;
        try {
            answer = called.invoke(instance, arguments);
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
        if (streams) return out.toByteArray();
        try {
            return Json.write(answer);
        } catch (Exception error) {
            throw ofJson("serialization of response", error);
        }
    }
}
