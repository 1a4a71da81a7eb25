package dev.socketgateway;

/**
 * What the gateway says of a send that the operating system has taken.
 *
 * @param messageId an id for this send, unique within the gateway process
 * @param items how many items were written
 * @param writeOffset the session's outbound byte count after it
 */
public record Sent(String messageId, int items, long writeOffset) {}
