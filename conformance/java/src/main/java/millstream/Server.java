package millstream;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** A real {@code millstream serve} process, in memory, on a port of its own, that asks for signatures with one key. */
final class Server implements AutoCloseable {
    private static final long START_LIMIT_MILLIS = 60_000;

    private final Path scratch;
    private final Process process;
    private final Thread atExit;
    final URI address;
    final String keyId;
    final String secret;

    /** The certificate of a server's own authority, if it speaks TLS. */
    final Path authority;

    /** A server in clear text. */
    Server() throws IOException, InterruptedException {
        this(false);
    }

    Server(boolean secure) throws IOException, InterruptedException {
        String binary = System.getenv("MILLSTREAM_BIN");
        if (binary == null || !Files.isExecutable(Path.of(binary))) {
            throw new IllegalStateException("set MILLSTREAM_BIN to a millstream program, such as target/debug/millstream");
        }
        scratch = Files.createTempDirectory("millstream-test-");
        Path ready = scratch.resolve("ready");
        Path log = scratch.resolve("log");
        String credentials = scratch.resolve("credentials.json").toString();
        Process making = new ProcessBuilder(
                        binary, "credentials", "create", "java", "--admin", "--format", "ini", "--credentials", credentials)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        // [java], the key's id, its secret.
        String[] made = new String(making.getInputStream().readAllBytes(), StandardCharsets.UTF_8).split("\\R");
        keyId = made[1].substring(made[1].indexOf('=') + 2);
        secret = made[2].substring(made[2].indexOf('=') + 2);
        authority = scratch.resolve("ca.pem");
        List<String> command = new ArrayList<>(List.of(
                binary, "serve", "--bind", "127.0.0.1:0", "--memory", "--ready-file", ready.toString(),
                "--credentials", credentials));
        if (secure) {
            command.addAll(List.of("--tls", "self-signed", "--tls-ca-file", authority.toString()));
        }
        process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        atExit = new Thread(process::destroyForcibly);
        Runtime.getRuntime().addShutdownHook(atExit);
        address = URI.create(waitUntilReady(ready, log));
    }

    private String waitUntilReady(Path ready, Path log) throws IOException, InterruptedException {
        long deadline = System.currentTimeMillis() + START_LIMIT_MILLIS;
        while (System.currentTimeMillis() < deadline && process.isAlive()) {
            String said = Files.exists(ready) ? Files.readString(ready).strip() : "";
            if (!said.isEmpty()) {
                return said;
            }
            Thread.sleep(10);
        }
        String said = Files.readString(log);
        close();
        throw new IllegalStateException("the server did not start:\n" + said);
    }

    /** Ends the process and takes its files away. */
    @Override
    public void close() {
        process.destroyForcibly();
        try (var files = Files.walk(scratch)) {
            process.waitFor();
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
