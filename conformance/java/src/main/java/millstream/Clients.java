package millstream;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.core.interceptor.Context;
import software.amazon.awssdk.core.interceptor.ExecutionAttributes;
import software.amazon.awssdk.core.interceptor.ExecutionInterceptor;
import software.amazon.awssdk.http.ProtocolNegotiation;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.StreamDescriptionSummary;
import software.amazon.awssdk.services.kinesis.model.StreamStatus;

/** Clients as a customer would set them up for a server of their own; everything else is the SDK's default. */
final class Clients implements AutoCloseable {
    /** HTTP/1.1. */
    final KinesisClient blocking;

    /** HTTP/2, which the SDK begins with prior knowledge on an http:// address. */
    final KinesisAsyncClient async;

    /** The media types of all requests and answers so far. */
    final Set<String> mediaTypes = ConcurrentHashMap.newKeySet();

    /** Clients that begin HTTP/2 without asking, in clear text as over TLS: the SDK's default. */
    Clients(Server server) {
        this(server, ProtocolNegotiation.ASSUME_PROTOCOL);
    }

    Clients(Server server, ProtocolNegotiation negotiation) {
        blocking = watched(setUp(KinesisClient.builder(), server)).build();
        var netty = NettyNioAsyncHttpClient.builder().protocolNegotiation(negotiation);
        async = watched(setUp(KinesisAsyncClient.builder(), server).httpClientBuilder(netty)).build();
    }

    /** Tells a client of any service where the server is and who calls. */
    static <B extends AwsClientBuilder<B, ?>> B setUp(B builder, Server server) {
        var credentials = StaticCredentialsProvider.create(AwsBasicCredentials.create(server.keyId, server.secret));
        return builder.endpointOverride(server.address).region(Region.US_EAST_1).credentialsProvider(credentials);
    }

    private <B extends AwsClientBuilder<B, ?>> B watched(B builder) {
        return builder.overrideConfiguration(options -> options.addExecutionInterceptor(new ExecutionInterceptor() {
            @Override
            public void beforeTransmission(Context.BeforeTransmission context, ExecutionAttributes attributes) {
                context.httpRequest().firstMatchingHeader("Content-Type").ifPresent(mediaTypes::add);
            }

            @Override
            public void afterTransmission(Context.AfterTransmission context, ExecutionAttributes attributes) {
                context.httpResponse().firstMatchingHeader("Content-Type").ifPresent(mediaTypes::add);
            }
        }));
    }

    /** Creates a stream of one shard and waits until it is active. */
    StreamDescriptionSummary createStream(String name) {
        blocking.createStream(request -> request.streamName(name).shardCount(1));
        blocking.waiter().waitUntilStreamExists(request -> request.streamName(name));
        return blocking.describeStreamSummary(request -> request.streamName(name)).streamDescriptionSummary();
    }

    /** Waits until a stream is active again; its description. */
    StreamDescriptionSummary settled(String name) throws InterruptedException {
        while (true) {
            var summary = blocking.describeStreamSummary(request -> request.streamName(name)).streamDescriptionSummary();
            if (summary.streamStatus() == StreamStatus.ACTIVE) {
                return summary;
            }
            Thread.sleep(20);
        }
    }

    @Override
    public void close() {
        async.close();
        blocking.close();
    }
}
