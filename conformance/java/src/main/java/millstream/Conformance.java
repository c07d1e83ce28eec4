package millstream;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;

/** Runs every check against one server and prints the result in TAP, the last lines as Node's test runner does. */
final class Conformance {
    private static final long PATIENCE_MILLIS = 60_000;

    /** One check. */
    interface Check {
        void run() throws Exception;
    }

    private Conformance() {}

    public static void main(String[] arguments) throws Exception {
        boolean well;
        try (Server server = new Server(); Clients clients = new Clients(server)) {
            Map<String, Check> checks = new LinkedHashMap<>();
            new Records(clients).addTo(checks);
            new Subscriptions(clients).addTo(checks);
            new Operations(clients).addTo(checks);
            new VersionOne(clients, server).addTo(checks);
            new Functions(clients, server).addTo(checks);
            well = run(checks);
        }
        System.exit(well ? 0 : 1);
    }

    /** Runs all of these, prints how they went, and tells whether it was well. */
    static boolean run(Map<String, Check> checks) {
        int failed = 0;
        int passed = 0;
        for (Map.Entry<String, Check> check : checks.entrySet()) {
            try {
                check.getValue().run();
                passed++;
                System.out.println("ok - " + check.getKey());
            } catch (Exception | AssertionError error) {
                failed++;
                System.out.println("not ok - " + check.getKey());
                error.printStackTrace(System.out);
            }
        }
        System.out.println("# pass " + passed);
        System.out.println("# fail " + failed);
        return failed == 0;
    }

    /** Fails unless both are equal. */
    static void same(Object found, Object wanted) {
        if (!wanted.equals(found)) {
            throw new AssertionError("found " + found + " instead of " + wanted);
        }
    }

    /** Fails, saying what should have been so, unless it is. */
    static void holds(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError("not so: " + what);
        }
    }

    /** Waits until this is so. */
    static void eventually(String what, Callable<Boolean> probe) throws Exception {
        long deadline = System.currentTimeMillis() + PATIENCE_MILLIS;
        while (!probe.call()) {
            holds(System.currentTimeMillis() < deadline, "in time, " + what);
            Thread.sleep(20);
        }
    }

    /** Runs what must fail in this way; how it failed. */
    static <E extends Exception> E refused(Class<E> kind, Check check) throws Exception {
        try {
            check.run();
        } catch (Exception error) {
            Throwable cause = error instanceof java.util.concurrent.ExecutionException ? error.getCause() : error;
            if (kind.isInstance(cause)) {
                return kind.cast(cause);
            }
            throw error;
        }
        throw new AssertionError("it was not refused with " + kind.getSimpleName());
    }
}
