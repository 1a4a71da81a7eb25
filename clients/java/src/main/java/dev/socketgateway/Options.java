package dev.socketgateway;

import com.google.protobuf.Duration;

/** What the options have in common. */
final class Options {
    private Options() {}

    static Duration duration(java.time.Duration time) {
        return Duration.newBuilder().setSeconds(time.getSeconds()).setNanos(time.getNano()).build();
    }
}
