// SPDX-License-Identifier: Apache-2.0

import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.pulsar.client.api.CompressionType;
import org.apache.pulsar.client.api.Consumer;
import org.apache.pulsar.client.api.ConsumerBuilder;
import org.apache.pulsar.client.api.DeadLetterPolicy;
import org.apache.pulsar.client.api.Message;
import org.apache.pulsar.client.api.Producer;
import org.apache.pulsar.client.api.PulsarClient;
import org.apache.pulsar.client.api.SubscriptionInitialPosition;
import org.apache.pulsar.client.api.SubscriptionType;
import org.apache.pulsar.client.api.TypedMessageBuilder;

/** The official client for Java as a peer of tests: cases come and go as JSON, payloads as base64. */
public final class Peer {
    private static final int LATE_S = 20;

    /** A member of these names in JSON. */
    public static final class Body {
        public byte[] payload;
        public String key = "";
        public String ordering_key = "";
        public Map<String, String> properties = new HashMap<>();
        public long event_time_ms;
        public boolean tombstone;
    }

    /** What a test says of one topic, and what is found there. */
    public static final class Case {
        public String topic;
        public String compression = "none";
        public boolean batching;
        public boolean chunking;
        public int count;
        public List<Body> messages = new java.util.ArrayList<>();
    }

    private static void produce(PulsarClient client, Case c) throws Exception {
        Producer<byte[]> producer = client.newProducer().topic(c.topic).enableBatching(c.batching).enableChunking(c.chunking)
                .batchingMaxPublishDelay(50, TimeUnit.MILLISECONDS)
                .compressionType(CompressionType.valueOf(c.compression.toUpperCase(Locale.ROOT))).create();
        for (Body m : c.messages) {
            TypedMessageBuilder<byte[]> message = producer.newMessage().value(m.tombstone ? null : m.payload)
                    .properties(m.properties);
            if (!m.key.isEmpty()) {
                message.key(m.key);
            }
            if (!m.ordering_key.isEmpty()) {
                message.orderingKey(Base64.getDecoder().decode(m.ordering_key));
            }
            if (m.event_time_ms != 0) {
                message.eventTime(m.event_time_ms);
            }
            message.sendAsync().exceptionally(error -> {
                error.printStackTrace();
                System.exit(1);
                return null;
            });
        }
        producer.flush();
        producer.close();
    }

    private static Body body(Message<byte[]> message) {
        Body m = new Body();
        byte[] value = message.getValue();
        m.tombstone = value == null;
        m.payload = message.getData();
        m.key = message.hasKey() ? message.getKey() : "";
        m.ordering_key = message.hasOrderingKey()
                ? Base64.getEncoder().encodeToString(message.getOrderingKey()) : "";
        m.properties = message.getProperties();
        m.event_time_ms = message.getEventTime();
        return m;
    }

    private static ConsumerBuilder<byte[]> consumer(PulsarClient client, String topic) {
        return client.newConsumer().topic(topic).subscriptionName("peer")
                .subscriptionInitialPosition(SubscriptionInitialPosition.Earliest);
    }

    /** Refuses everything, once again, and takes what the client has made of it. */
    private static void refuse(PulsarClient client, Case c) throws Exception {
        Case letters = new Case();
        letters.topic = c.topic + "-peer-DLQ";
        letters.count = c.count;
        Consumer<byte[]> consumer = consumer(client, c.topic).subscriptionType(SubscriptionType.Shared)
                .negativeAckRedeliveryDelay(100, TimeUnit.MILLISECONDS)
                .deadLetterPolicy(DeadLetterPolicy.builder().maxRedeliverCount(1)
                        .deadLetterTopic(letters.topic).initialSubscriptionName("peer").build()).subscribe();
        for (int n = 0; n < 2 * c.count; n++) {
            Message<byte[]> message = consumer.receive(LATE_S, TimeUnit.SECONDS);
            if (message == null) {
                throw new IOException(c.topic + ": " + n + " came");
            }
            consumer.negativeAcknowledge(message);
        }
        consume(client, letters);
        c.messages = letters.messages;
        consumer.close();
    }

    private static void retry(PulsarClient client, Case c) throws Exception {
        Consumer<byte[]> consumer = consumer(client, c.topic).subscriptionType(SubscriptionType.Shared).enableRetry(true)
                .isAckReceiptEnabled(true)
                .deadLetterPolicy(DeadLetterPolicy.builder().maxRedeliverCount(16)
                        .retryLetterTopic(c.topic + "-peer-RETRY").deadLetterTopic(c.topic + "-peer-DLQ").build())
                .subscribe();
        while (c.messages.size() < c.count) {
            Message<byte[]> message = consumer.receive(LATE_S, TimeUnit.SECONDS);
            if (message == null) {
                throw new IOException(c.topic + ": " + c.messages.size() + " of " + c.count + " came");
            }
            c.messages.add(body(message));
            consumer.reconsumeLater(message, 1, TimeUnit.MILLISECONDS);
        }
        consumer.close();
    }

    private static void consume(PulsarClient client, Case c) throws Exception {
        Consumer<byte[]> consumer = consumer(client, c.topic).subscribe();
        while (c.messages.size() < c.count) {
            Message<byte[]> message = consumer.receive(LATE_S, TimeUnit.SECONDS);
            if (message == null) {
                throw new IOException(c.topic + ": " + c.messages.size() + " of " + c.count + " came");
            }
            c.messages.add(body(message));
            consumer.acknowledge(message);
        }
        consumer.close();
    }

    public static void main(String[] words) throws Exception {
        ObjectMapper json = new ObjectMapper();
        json.getFactory().setStreamReadConstraints(
                StreamReadConstraints.builder().maxStringLength(Integer.MAX_VALUE).build());
        Case[] cases = json.readValue(System.in, Case[].class);
        try (PulsarClient client = PulsarClient.builder().serviceUrl(words[1].substring("url=".length())).build()) {
            for (Case c : cases) {
                if (words[0].equals("peer-produce")) {
                    produce(client, c);
                } else if (words[0].equals("peer-refuse")) {
                    refuse(client, c);
                } else if (words[0].equals("peer-retry")) {
                    retry(client, c);
                } else {
                    consume(client, c);
                }
            }
        }
        if (!words[0].equals("peer-produce")) {
            json.writeValue(System.out, cases);
        }
        System.exit(0);
    }
}
