package dev.socketgateway;

import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.SocketTimeoutException;
import java.util.Objects;

/** The bytes of a binary session. */
class SessionInputStream extends InputStream {
    private final Session session;
    private byte[] chunk = new byte[0];
    private int position;

    SessionInputStream(Session session) {
        this.session = session;
    }

    @Override
    public synchronized int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public synchronized int read(byte[] into, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, into.length);
        if (length == 0) {
            return 0;
        }
        while (position == chunk.length) {
            byte[] next = nextChunk();
            if (next == null) {
                return -1;
            }
            chunk = next;
            position = 0;
        }
        int size = Math.min(length, chunk.length - position);
        System.arraycopy(chunk, position, into, offset, size);
        position += size;
        return size;
    }

    private byte[] nextChunk() throws IOException {
        try {
            return session.nextChunk();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw (IOException) new InterruptedIOException("interrupted while reading").initCause(interrupted);
        } catch (TimedOutException late) {
            throw (IOException) new SocketTimeoutException(late.getMessage()).initCause(late);
        } catch (GatewayException failed) {
            throw new IOException(failed.getMessage(), failed);
        }
    }

    @Override
    public synchronized int available() {
        return chunk.length - position;
    }

    @Override
    public void close() {
        session.close();
    }
}
