/* SPDX-License-Identifier: Apache-2.0 */

import io.aeron.Aeron;
import io.aeron.ExclusivePublication;
import io.aeron.Publication;
import io.aeron.Subscription;
import io.aeron.driver.MediaDriver;
import io.aeron.driver.ThreadingMode;
import io.aeron.logbuffer.BufferClaim;
import io.aeron.logbuffer.FragmentHandler;
import java.nio.ByteOrder;
import java.util.concurrent.atomic.AtomicLong;
import org.agrona.DirectBuffer;
import org.agrona.MutableDirectBuffer;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * Aeron's IPC in Java with the workload of `hulse-bench ring`: an exclusive publication that claims
 * in place, a subscription that verifies every byte; embedded driver, a thread for each.
 *
 * <p>IpcThroughput AERON_DIR SIZE DURATION_MS TERM_LENGTH prints one JSON object.
 */
public final class IpcThroughput
{
    private static final int STREAM = 1001;
    private static final int HEAD = 16;
    private static final long WARM_NS = 2_000_000_000L; // the compiler needs it
    private static final long STUCK_NS = 10_000_000_000L;

    private static final AtomicLong RECEIVED = new AtomicLong();
    private static volatile boolean ended;
    private static volatile String wrong;

    private IpcThroughput()
    {
    }

    private static long mix(final long sequence)
    {
        final long a = (sequence + 1) * 0x9e3779b97f4a7c15L;
        return a ^ (a >>> 29);
    }

    private static UnsafeBuffer pattern(final int size)
    {
        final byte[] bytes = new byte[size];
        for (int i = 0; i < size; i++)
        {
            bytes[i] = (byte)(i * 167 + 13);
        }
        return new UnsafeBuffer(bytes);
    }

    private static void write(
        final MutableDirectBuffer out, final int at, final UnsafeBuffer pattern, final long sequence)
    {
        final int size = pattern.capacity();
        out.putLong(at, sequence, ByteOrder.LITTLE_ENDIAN);
        out.putLong(at + 8, mix(sequence), ByteOrder.LITTLE_ENDIAN);
        out.putBytes(at + HEAD, pattern, HEAD, size - HEAD - 8);
        out.putLong(at + size - 8, mix(sequence), ByteOrder.LITTLE_ENDIAN);
    }

    private static boolean verify(
        final DirectBuffer in, final int at, final int length, final UnsafeBuffer pattern, final long sequence)
    {
        if (length != pattern.capacity() || in.getLong(at, ByteOrder.LITTLE_ENDIAN) != sequence ||
            in.getLong(at + 8, ByteOrder.LITTLE_ENDIAN) != mix(sequence) ||
            in.getLong(at + length - 8, ByteOrder.LITTLE_ENDIAN) != mix(sequence))
        {
            return false;
        }
        long difference = 0;
        for (int i = HEAD; i + 8 <= length - 8; i += 8)
        {
            difference |= in.getLong(at + i) ^ pattern.getLong(i);
        }
        return difference == 0;
    }

    private static void subscribe(final Aeron aeron, final String channel, final int size)
    {
        final UnsafeBuffer pattern = pattern(size);
        final long[] next = new long[1];
        final FragmentHandler handler = (buffer, offset, length, header) ->
        {
            if (!verify(buffer, offset, length, pattern, next[0]))
            {
                wrong = "message " + next[0] + " is lost, doubled or damaged";
            }
            next[0]++;
        };
        try (Subscription subscription = aeron.addSubscription(channel, STREAM))
        {
            while (!ended && wrong == null)
            {
                if (subscription.poll(handler, 256) > 0)
                {
                    RECEIVED.setRelease(next[0]);
                }
            }
        }
    }

    private static long publishFor(
        final ExclusivePublication publication, final UnsafeBuffer pattern, final long first, final long durationNs)
    {
        final BufferClaim claim = new BufferClaim();
        final long untilNs = System.nanoTime() + durationNs;
        long sequence = first;
        while (System.nanoTime() < untilNs)
        {
            for (int i = 0; i < 64; i++)
            {
                final long position = publication.tryClaim(pattern.capacity(), claim);
                if (position == Publication.CLOSED || position == Publication.MAX_POSITION_EXCEEDED)
                {
                    throw new IllegalStateException("publication: " + position);
                }
                if (position < 0)
                {
                    break;
                }
                write(claim.buffer(), claim.offset(), pattern, sequence);
                claim.commit();
                sequence++;
            }
        }
        final long stuckNs = System.nanoTime() + STUCK_NS;
        while (RECEIVED.getAcquire() < sequence)
        {
            if (wrong != null || System.nanoTime() > stuckNs)
            {
                throw new IllegalStateException(wrong != null ? wrong : "messages were lost");
            }
            Thread.onSpinWait();
        }
        return sequence;
    }

    public static void main(final String[] args) throws InterruptedException
    {
        final int size = Integer.parseInt(args[1]);
        final long durationNs = Long.parseLong(args[2]) * 1_000_000L;
        final String channel = "aeron:ipc?term-length=" + args[3];
        final MediaDriver.Context driver = new MediaDriver.Context()
            .aeronDirectoryName(args[0])
            .threadingMode(ThreadingMode.SHARED)
            .dirDeleteOnStart(true)
            .dirDeleteOnShutdown(true);
        try (MediaDriver ignored = MediaDriver.launch(driver);
            Aeron aeron = Aeron.connect(new Aeron.Context().aeronDirectoryName(args[0])))
        {
            final Thread subscriber = new Thread(() -> subscribe(aeron, channel, size));
            subscriber.setDaemon(true);
            subscriber.start();
            try (ExclusivePublication publication = aeron.addExclusivePublication(channel, STREAM))
            {
                while (!publication.isConnected())
                {
                    Thread.yield();
                }
                final UnsafeBuffer pattern = pattern(size);
                final long first = publishFor(publication, pattern, 0, WARM_NS);
                final long fromNs = System.nanoTime();
                final long last = publishFor(publication, pattern, first, durationNs);
                final double rate = (last - first) * 1e9 / (System.nanoTime() - fromNs);
                ended = true;
                subscriber.join();
                System.out.printf("{\"rate\":%.1f}%n", rate);
            }
        }
    }
}
