package dev.socketgateway;

import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * What comes, one after the other, waiting for each. Its iteration throws what the single call throws; an interrupt ends it with an
 * {@link IllegalStateException} whose cause is the {@link InterruptedException}, and the thread stays interrupted.
 *
 * @param <T> what comes
 */
public final class Received<T> implements Iterable<T> {
    private final Source<T> source;

    /** Gives the next; null after the last. */
    interface Source<T> {
        T next() throws InterruptedException;
    }

    Received(Source<T> source) {
        this.source = source;
    }

    @Override
    public Iterator<T> iterator() {
        return new Iterator<>() {
            private T ahead;
            private boolean over;

            @Override
            public boolean hasNext() {
                if (ahead == null && !over) {
                    try {
                        ahead = source.next();
                    } catch (InterruptedException interrupted) {
                        Thread.currentThread().interrupt();
                        throw new IllegalStateException("interrupted while waiting for the next", interrupted);
                    }
                    over = ahead == null;
                }
                return !over;
            }

            @Override
            public T next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                T next = ahead;
                ahead = null;
                return next;
            }
        };
    }

    /** {@return the same as a sequential stream} */
    public Stream<T> stream() {
        int ordered = Spliterator.ORDERED | Spliterator.NONNULL;
        return StreamSupport.stream(Spliterators.spliteratorUnknownSize(iterator(), ordered), false);
    }
}
