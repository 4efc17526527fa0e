// SPDX-License-Identifier: Apache-2.0

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.apache.pulsar.client.api.Consumer;
import org.apache.pulsar.client.api.Message;
import org.apache.pulsar.client.api.Producer;
import org.apache.pulsar.client.api.ProducerBuilder;
import org.apache.pulsar.client.api.PulsarClient;
import org.apache.pulsar.client.api.PulsarClientException;
import org.apache.pulsar.client.api.SubscriptionInitialPosition;
import org.apache.pulsar.client.api.SubscriptionType;

/** The application of the comparison over the official client for Java; ../README.md says what each mode does. */
public final class Load {
    private static final int HEAD_BYTES = 16; // sequence, time of its sending; a pattern follows
    private static final long LATE_NS = 20_000_000_000L;

    private final Map<String, String> given = new HashMap<>();
    private final BufferedReader answers = new BufferedReader(new InputStreamReader(System.in));
    private final PulsarClient client;
    private final byte[] pattern;
    private Producer<byte[]> producer;
    private Consumer<byte[]> consumer;
    private long sent;
    private final AtomicLong receipts = new AtomicLong();
    private final AtomicLong failed = new AtomicLong();
    private volatile long lastNs;
    private volatile long received;
    private long wrong;
    private volatile boolean sampling;
    private volatile boolean ended;
    private long[] sendNs = new long[0]; // written by the client's thread
    private int sends;
    private long[] arrivalNs = new long[0];
    private int arrivals;

    private Load(String[] words) throws PulsarClientException {
        for (int i = 1; i < words.length; i++) {
            int at = words[i].indexOf('=');
            given.put(words[i].substring(0, at), words[i].substring(at + 1));
        }
        client = PulsarClient.builder().serviceUrl(given.get("url")).build();
        pattern = new byte[(int) number("size")];
        for (int i = 0; i < pattern.length; i++) {
            pattern[i] = (byte) (i * 167 + 13);
        }
    }

    private long number(String name) {
        return Long.parseLong(given.get(name));
    }

    private long ns(String name) {
        return (long) (Double.parseDouble(given.get(name)) * 1e9);
    }

    /** Says a line and goes on when it is answered. */
    private void tell(String line) throws IOException {
        System.out.println(line);
        System.out.flush();
        if (answers.readLine() == null) {
            System.exit(1);
        }
    }

    private void openProducer() throws PulsarClientException {
        ProducerBuilder<byte[]> builder = client.newProducer().topic(given.get("topic"))
                .maxPendingMessages((int) number("window")).blockIfQueueFull(true);
        if (!given.getOrDefault("delay", "default").equals("default")) {
            builder.batchingMaxPublishDelay(number("delay"), TimeUnit.MILLISECONDS)
                    .batchingMaxMessages(1000).batchingMaxBytes(128 * 1024);
        }
        if (given.containsKey("chunks")) {
            builder.enableBatching(false).enableChunking(true);
        }
        producer = builder.create();
    }

    private void openConsumer() throws PulsarClientException {
        consumer = client.newConsumer().topic(given.get("topic")).subscriptionName("bench")
                .subscriptionType(SubscriptionType.Shared)
                .subscriptionInitialPosition(SubscriptionInitialPosition.Earliest).subscribe();
    }

    private void sendOne(long atNs) {
        byte[] payload = pattern.clone();
        ByteBuffer.wrap(payload).order(ByteOrder.LITTLE_ENDIAN).putLong(sent).putLong(atNs);
        sent++;
        producer.newMessage().value(payload).sendAsync().whenComplete((id, error) -> {
            long now = System.nanoTime();
            if (error != null) {
                failed.incrementAndGet();
            }
            if (sampling && sends < sendNs.length) {
                sendNs[sends++] = now - atNs;
            }
            lastNs = now;
            receipts.incrementAndGet();
        });
    }

    /** As fast as it goes, until the time has come or so many have been sent; ends with nothing in flight. */
    private void sendAll(long untilNs, long until) throws PulsarClientException {
        while (sent < until && System.nanoTime() < untilNs) {
            for (int n = 0; n < 16 && sent < until; n++) {
                sendOne(0);
            }
        }
        producer.flush();
        while (receipts.get() < sent) {
            LockSupport.parkNanos(200_000);
        }
    }

    private void publish() throws IOException {
        openProducer();
        sendAll(System.nanoTime() + ns("warm"), Long.MAX_VALUE);
        tell("{}");
        long warm = sent;
        long begin = System.nanoTime();
        sendAll(begin + ns("measure"), Long.MAX_VALUE);
        tell(String.format("{\"sent\": %d, \"receipts\": %d, \"wrong\": %d, \"measured\": %d, \"seconds\": %f}",
                sent, receipts.get(), failed.get(), sent - warm, (lastNs - begin) / 1e9));
    }

    private void hold() throws IOException {
        openProducer();
        sendAll(Long.MAX_VALUE, number("count"));
        tell(String.format("{\"sent\": %d, \"receipts\": %d, \"wrong\": %d, \"last_ns\": %d}",
                sent, receipts.get(), failed.get(), lastNs));
    }

    /** The time at which it was sent. */
    private long take(Message<byte[]> message) {
        byte[] data = message.getData();
        ByteBuffer head = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
        if (data.length != pattern.length || head.getLong() != received
                || !Arrays.equals(data, HEAD_BYTES, data.length, pattern, HEAD_BYTES, pattern.length)) {
            wrong++;
        }
        received++;
        return data.length < HEAD_BYTES ? 0 : head.getLong(8);
    }

    private void takeUntil(long count) throws PulsarClientException {
        while (received < count) {
            Message<byte[]> message = consumer.receive();
            take(message);
            consumer.acknowledgeAsync(message);
        }
    }

    private void consume() throws IOException {
        openConsumer();
        takeUntil(number("count") / 3);
        tell("{}");
        long warm = received;
        long begin = System.nanoTime();
        takeUntil(number("count"));
        long end = System.nanoTime();
        consumer.close(); // what is acknowledged reaches the broker
        tell(String.format(
                "{\"received\": %d, \"acknowledged\": %d, \"wrong\": %d, \"measured\": %d, \"seconds\": %f}",
                received, received, wrong, received - warm, (end - begin) / 1e9));
    }

    private void sendPaced(long durationNs) {
        long rate = number("rate");
        long begin = System.nanoTime();
        for (long n = 0; n < durationNs * rate / 1_000_000_000L; n++) {
            long due = begin + n * 1_000_000_000L / rate;
            for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) {
                LockSupport.parkNanos(left);
            }
            sendOne(System.nanoTime());
        }
        long giveUp = System.nanoTime() + LATE_NS;
        while ((receipts.get() < sent || received < sent) && System.nanoTime() < giveUp) {
            LockSupport.parkNanos(1_000_000);
        }
    }

    private void receiveAll() {
        try {
            while (!ended) {
                Message<byte[]> message = consumer.receive(100, TimeUnit.MILLISECONDS);
                if (message == null) {
                    continue;
                }
                long now = System.nanoTime();
                long atNs = take(message);
                if (sampling && arrivals < arrivalNs.length) {
                    arrivalNs[arrivals++] = now - atNs;
                }
                consumer.acknowledgeAsync(message);
            }
        } catch (PulsarClientException error) {
            error.printStackTrace();
            System.exit(1);
        }
    }

    private static String percentiles(long[] values, int count) {
        Arrays.sort(values, 0, count);
        return count == 0 ? "[-1, -1]"
                : String.format("[%.1f, %.1f]", values[(count - 1) / 2] / 1e3,
                        values[(int) ((count - 1) * 99L / 100)] / 1e3);
    }

    private void latency() throws IOException, InterruptedException {
        openConsumer();
        openProducer();
        int room = (int) (ns("measure") * number("rate") / 1_000_000_000L) + 1;
        sendNs = new long[room];
        arrivalNs = new long[room];
        Thread receiver = new Thread(this::receiveAll);
        receiver.start();
        sendPaced(ns("warm"));
        long warm = sent;
        tell("{}");
        sampling = true;
        sendPaced(ns("measure"));
        ended = true;
        receiver.join();
        consumer.close();
        tell(String.format("{\"sent\": %d, \"receipts\": %d, \"received\": %d, \"acknowledged\": %d, "
                        + "\"wrong\": %d, \"measured\": %d, \"send_us\": %s, \"end_to_end_us\": %s}",
                sent, receipts.get(), received, received, wrong + failed.get(), sent - warm,
                percentiles(sendNs, sends), percentiles(arrivalNs, arrivals)));
    }

    public static void main(String[] words) throws Exception {
        Load load = new Load(words);
        switch (words[0]) {
            case "publish" -> load.publish();
            case "consume" -> load.consume();
            case "latency" -> load.latency();
            case "hold" -> load.hold();
            default -> throw new IllegalArgumentException(words[0]);
        }
        load.client.close();
        System.exit(0);
    }
}
