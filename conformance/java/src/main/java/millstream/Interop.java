package millstream;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.LinkedHashMap;
import java.util.Map;
import software.amazon.awssdk.http.ProtocolNegotiation;

/** What takes too long for every change: all checks over TLS, and readers that stay for long. */
final class Interop {
    private Interop() {}

    public static void main(String[] arguments) throws Exception {
        boolean well;
        try (Server plain = new Server(); Server secure = new Server(true)) {
            trust(secure.authority);
            try (Clients clients = new Clients(plain);
                    Clients assuming = new Clients(secure);
                    Clients negotiating = new Clients(secure, ProtocolNegotiation.ALPN)) {
                Map<String, Conformance.Check> overTls = new LinkedHashMap<>();
                new Records(assuming).addTo(overTls);
                new Subscriptions(assuming).addTo(overTls);
                new Operations(assuming).addTo(overTls);
                new VersionOne(assuming, secure).addTo(overTls);
                new Functions(assuming, secure).addTo(overTls);
                Map<String, Conformance.Check> checks = new LinkedHashMap<>();
                overTls.forEach((name, check) -> checks.put("over TLS: " + name, check));
                var negotiated = new Subscriptions(negotiating);
                checks.put("over TLS: HTTP/2 is chosen by ALPN", () -> negotiated.deliversTo("negotiated"));
                new Followers(clients, plain).addTo(checks);
                well = Conformance.run(checks);
            }
        }
        System.exit(well ? 0 : 1);
    }

    /** Has this process trust an authority in place of the public ones, as {@code -Djavax.net.ssl.trustStore} does. */
    private static void trust(Path authority) throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        try (var text = Files.newInputStream(authority)) {
            store.setCertificateEntry("millstream", CertificateFactory.getInstance("X.509").generateCertificate(text));
        }
        Path file = authority.resolveSibling("trust.p12");
        try (var out = Files.newOutputStream(file)) {
            store.store(out, "no secret".toCharArray());
        }
        System.setProperty("javax.net.ssl.trustStore", file.toString());
        System.setProperty("javax.net.ssl.trustStorePassword", "no secret");
    }
}
