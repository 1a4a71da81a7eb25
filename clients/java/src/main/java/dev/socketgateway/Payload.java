package dev.socketgateway;

import com.google.protobuf.ByteString;
import dev.socketgateway.tcpip.v1.PayloadItem;
import java.util.ArrayList;
import java.util.List;

/** What is sent: texts, each followed by the line terminator, and bytes, as they are, in order. Immutable. */
public final class Payload {
    final List<PayloadItem> items;

    private Payload(List<PayloadItem> items) {
        this.items = items;
    }

    /** {@return nothing: an exchange of nothing waits for what the peer says by itself} */
    public static Payload none() {
        return new Payload(List.of());
    }

    /**
     * Texts.
     *
     * @param texts each is followed by the line terminator
     * @return the payload
     */
    public static Payload text(String... texts) {
        Payload all = none();
        for (String text : texts) {
            all = all.andText(text);
        }
        return all;
    }

    /**
     * Bytes.
     *
     * @param bytes sent as they are
     * @return the payload
     */
    public static Payload bytes(byte[] bytes) {
        return none().andBytes(bytes);
    }

    /**
     * With a text more.
     *
     * @param text followed by the line terminator
     * @return the longer payload
     */
    public Payload andText(String text) {
        return and(PayloadItem.newBuilder().setText(text).build());
    }

    /**
     * With bytes more.
     *
     * @param bytes sent as they are
     * @return the longer payload
     */
    public Payload andBytes(byte[] bytes) {
        return and(PayloadItem.newBuilder().setBytes(ByteString.copyFrom(bytes)).build());
    }

    private Payload and(PayloadItem item) {
        List<PayloadItem> longer = new ArrayList<>(items);
        longer.add(item);
        return new Payload(List.copyOf(longer));
    }

    /** How many bytes go out. */
    long size(Terminator terminator) {
        long size = 0;
        for (PayloadItem item : items) {
            size += item.hasBytes() ? item.getBytes().size() : item.getTextBytes().size() + terminator.length;
        }
        return size;
    }
}
