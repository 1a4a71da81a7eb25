//! The table of settings: every key with its meaning and what values it may have. File, environment, flags and the README's table
//! all follow from it.
//!
//! The meanings repeat the doc comments of `crate::limits`, which cannot be read at run time; a test asserts that no key is
//! missing here.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{
    Config,
    setting::{Rule, Setting, number, plain, quota, time},
};
use crate::limits::fixed;

/// All settings.
pub const SETTINGS: &[Setting] = &[
    plain(
        "listen",
        Rule::Address,
        "Address and port of the gRPC server. While nobody is asked who they are it must be one of loopback.",
    )
    .at_start(),
    plain(
        "log.format",
        Rule::Free,
        "`human` for people, `json` for machines, `auto`: human on a terminal, JSON elsewhere. Logs go to \
         stderr.",
    )
    .at_start(),
    plain("log.filter", Rule::Filter, "What is logged: a level, or directives like `info,socket_gateway=debug`."),
    plain(
        "policy.profile",
        Rule::Free,
        "What may be dialled and bound where no rule of the file decides: `dev`, `lan`, `internet`, or `auto`: `dev` on \
         loopback while callers need not say who they are, `internet` else. See docs/policy.md.",
    ),
    plain(
        "admin.listen",
        Rule::AddressOrOff,
        "Address and port of the admin server (HTTP: `/metrics`, `/healthz`, `/readyz`), or `off`. It asks for no \
         credential: let only the platform reach it.",
    )
    .at_start(),
    plain(
        "audit.file",
        Rule::Free,
        "Where the audit log goes: a file that is appended to (and opened anew on SIGHUP), a named pipe, `stderr`, or `off`.",
    )
    .at_start(),
    plain(
        "runtime.threads",
        Rule::Number { zero: true, most: 1024 },
        "Threads that do the work. 0: one for each core the process may use. See \"Runtime layout\" in docs/benchmark.md.",
    )
    .at_start(),
    plain(
        "tracing.otlp_endpoint",
        Rule::UrlOrOff,
        "Where traces go: the URL of an OTLP receiver over gRPC, like `http://127.0.0.1:4317`, or `off`.",
    )
    .at_start(),
    plain(
        "tracing.sample_ratio",
        Rule::Ratio,
        "The share of traces that begin here which are sampled, 0 to 1. Those that callers began (`traceparent`) are sampled as \
         the callers say.",
    )
    .at_start(),
    plain("tls.certificate", Rule::Free, "File of the gRPC port's certificate chain in PEM. With it and `tls.key` the port speaks TLS."),
    plain("tls.key", Rule::Free, "File of its private key in PEM."),
    plain("tls.client_ca", Rule::Free, "File of the authorities in PEM that client certificates are checked against."),
    plain(
        "tls.client_auth",
        Rule::Free,
        "Whether clients show a certificate: `off`, `optional` or `required`. Who they are then is said by `[[identity.certificates]]`.",
    ),
    plain("identity.health_open", Rule::Flag, "Whether health is told without credentials, as probes have none.").at_start(),
    plain("identity.reflection_open", Rule::Flag, "Whether reflection is answered without credentials.").at_start(),
    time(
        "identity.poll_interval",
        "How often it is looked whether certificates, keys and JWK sets have changed. 0s: only on SIGHUP.",
    )
    .or_zero()
    .at_start(),
    plain(
        "health.listen",
        Rule::AddressOrOff,
        "Address and port where health alone is told, in plaintext and without credentials, or `off`.",
    )
    .at_start(),
    plain(
        "insecure.allow_anyone_to_open_sockets",
        Rule::Flag,
        "Lets the gRPC port be reached from other machines while nobody is asked who they are. Whoever reaches it can open sockets.",
    )
    .at_start(),
    plain(
        "insecure.allow_tokens_in_the_clear",
        Rule::Flag,
        "Lets tokens come from other machines without TLS, for where something before the gateway speaks it.",
    )
    .at_start(),
    number(
        "limits.sessions",
        "Live sessions (TCP connections and UDP sockets). Each costs a file descriptor and about 3 KiB.",
    ),
    number("limits.listeners", "Live TCP listeners."),
    number("limits.pending_connects", "Connection attempts under way at once."),
    number(
        "limits.name_lookups",
        "Name lookups under way at once. Each blocks a thread for as long as the system's resolver takes.",
    )
    .at_start(),
    number("limits.subscribers", "Subscribers, with or without streams."),
    number("limits.streams_per_subscriber", "Streams attached to one subscriber."),
    number("limits.streams", "Subscribe and Attach streams."),
    number("limits.watchers", "Concurrent `Watch` streams."),
    number(
        "limits.subscriber_backlog_bytes",
        "Undelivered bytes of one subscriber. When reached, its TCP sessions are not read and its oldest \
         datagrams go.",
    ),
    number(
        "limits.backlog_bytes",
        "Undelivered bytes of all subscribers. When reached, nothing is read until half of it is delivered. 0: no bound but \
         those of the parts.",
    )
    .or_zero(),
    number("limits.session_backlog_bytes", "Undelivered bytes of one session: its share of the backlog."),
    number(
        "limits.full_backlog_read_bytes",
        "What a session with nothing undelivered may still read when its subscriber's backlog is full.",
    ),
    number(
        "limits.subscriber_events",
        "Undelivered lifecycle events of one subscriber. When reached, its listeners stop accepting and its \
         connects are refused.",
    ),
    number(
        "limits.subscriber_reports",
        "Undelivered error and `sent` reports of one subscriber. When reached, further ones are dropped and counted.",
    ),
    number("limits.subscriber_retained_bytes", "Delivered bytes kept so that a plain stream can resume. 0: none.")
        .or_zero(),
    number("limits.batch_envelopes", "Envelopes in one message of a stream."),
    number("limits.batch_bytes", "Payload bytes in one message of a stream (one envelope may exceed it)."),
    time("limits.stall_timeout", "A stream that takes nothing for this long while the backlog is full is ended."),
    time(
        "limits.subscriber_idle_timeout",
        "A subscriber without streams, sessions and listeners is removed, with its backlog, after this long.",
    ),
    time(
        "limits.orphan_timeout",
        "Sessions whose opener has no stream, and which no call touches, are closed after this long. 0s: \
         never.",
    )
    .or_zero(),
    number("limits.payload_bytes", "Payload bytes of one send, line terminators included."),
    number("limits.payload_items", "Items of one send."),
    number("limits.send_queue_sends", "Sends of one session that wait for the peer to read."),
    number(
        "limits.send_queue_bytes",
        "Bytes of the sends of one session that wait for the peer to read; one send may always wait.",
    ),
    number("limits.turn_waiters", "Callers that wait for the turn of one session."),
    number("limits.attach_commands", "Commands of one Attach stream that are not answered yet."),
    number(
        "limits.attach_send_credit_bytes",
        "Bytes of unanswered sends of one session on one Attach stream: its send credit.",
    ),
    number("limits.line_bytes", "One line, without its end."),
    number("limits.line_held_lines", "Lines collected for a wait_for."),
    number("limits.line_held_bytes", "Bytes of lines collected for a wait_for."),
    number("limits.pattern_bytes", "A wait_for pattern."),
    number("limits.pattern_compiled_bytes", "A compiled pattern."),
    number("limits.pattern_nesting", "Nesting of a pattern."),
    time("limits.connect_timeout", "Default connect timeout; at most 60 s.").at_most(fixed::CONNECT_TIMEOUT),
    time("limits.exchange_timeout", "Default time of an exchange, its wait for the turn included; at most 10 min.")
        .at_most(fixed::EXCHANGE_TIMEOUT),
    time(
        "limits.settle_timeout",
        "Default time the turn is kept for the late answer of an exchange that ended unanswered; at most 10 \
         min. 0s: not kept.",
    )
    .at_most(fixed::EXCHANGE_TIMEOUT)
    .or_zero(),
    time("limits.close_timeout", "How long a graceful close may take: writing what is queued, and the peer's own end."),
    number(
        "limits.socket_receive_buffer_bytes",
        "SO_RCVBUF of TCP sockets (the kernel doubles it). 0: left to the kernel.",
    )
    .or_zero()
    .fits_the_system(),
    number(
        "limits.udp_receive_buffer_bytes",
        "SO_RCVBUF of UDP sockets (the kernel doubles it). 0: left to the kernel.",
    )
    .or_zero()
    .fits_the_system(),
    number(
        "limits.accepts_per_second",
        "Connections accepted by one listener in a second; further ones wait in the kernel's queue. 0: as they come.",
    )
    .or_zero(),
    number("limits.listen_backlog", "Connections waiting to be accepted by one listener.").fits_the_system(),
    number("limits.memory_bytes", "What this process may occupy. 0: what its control group allows, if that has a bound.").or_zero(),
    number("limits.memory_refuse_percent", "From this share of the memory on nothing more is opened.").up_to(1000),
    number("limits.memory_pause_percent", "From this share of the memory on nothing more is read.").up_to(1000),
    number("limits.grpc_connections", "gRPC connections. Further ones are closed at once."),
    number(
        "limits.grpc_connections_per_peer",
        "gRPC connections of one address, so that one client cannot shut all others out. Behind a proxy all come from the \
         proxy's.",
    ),
    number(
        "limits.grpc_handshakes",
        "gRPC connections that have not sent their HTTP/2 preface, or are in a TLS handshake. When reached, the oldest of them is closed for the next one.",
    ),
    number("limits.grpc_streams_per_connection", "Concurrent streams of one gRPC connection.").at_start(),
    number(
        "limits.grpc_pending_resets",
        "Streams of one gRPC connection that its client has reset and the gateway has not dealt with. Beyond, the connection is \
         ended.",
    )
    .at_start(),
    number("limits.grpc_header_bytes", "Headers of one request; beyond, it is refused.").fits_the_system().at_start(),
    number("limits.grpc_message_bytes", "One gRPC message to the gateway.").at_start(),
    number(
        "limits.failed_authentications_per_second",
        "Failed authentications of one address in a second; a minute's worth may come at once. Beyond, its credentials are not looked \
         at, but on connections that have shown good ones. Behind a proxy all come from the proxy's address. 0: no bound.",
    )
    .or_zero(),
    time("limits.grpc_preface_timeout", "How long a gRPC connection may take to send its HTTP/2 preface, a TLS handshake included."),
    number("limits.audit_queue_records", "Audit records that wait to be written; beyond, they are lost and counted.").at_start(),
    number("limits.taps", "Taps (`Tap` streams) in all."),
    number("limits.tap_queue_bytes", "What waits for one slow tapper; what finds no room is counted and lost to it."),
    number("limits.admin_connections", "Connections to the admin port."),
    time(
        "limits.admin_header_timeout",
        "How long a request to the admin port may take to send its headers; an idle connection ends after it as well.",
    ),
    time(
        "limits.grpc_connection_age",
        "A gRPC connection is told to go (GOAWAY) at this age, so that clients spread anew over several gateways. 0s: never.",
    )
    .or_zero()
    .at_start(),
    time("limits.grpc_connection_age_grace", "What is left of a gRPC connection this long after it was told to go is cut.").at_start(),
    time(
        "limits.drain_delay",
        "How long after SIGTERM the gateway goes on as before, with health saying NOT_SERVING, so that whatever sends clients \
         here can stop doing so. 0s: not at all.",
    )
    .or_zero(),
    time(
        "limits.shutdown_timeout",
        "How long a graceful stop may take, after the delay, before everything is cut.",
    ),
    quota("quota.sessions", "Live sessions of one identity. 0: as the limits."),
    quota("quota.listeners", "Live listeners of one identity. 0: as the limits."),
    quota("quota.subscribers", "Subscribers of one identity. 0: as the limits."),
    quota("quota.streams", "Subscribe and Attach streams of one identity. 0: as the limits."),
    quota("quota.pending_connects", "Connection attempts of one identity under way at once. 0: as the limits."),
    quota(
        "quota.dials_per_second",
        "Connection attempts of one identity in a second; twice as many may come at once. 0: no bound.",
    ),
    quota(
        "quota.backlog_bytes",
        "Undelivered bytes of all subscribers of one identity. When reached, its sessions are not read until half of it is \
         delivered. 0: no bound.",
    ),
    quota(
        "quota.received_bytes_per_second",
        "Bytes a second from the peers of one identity: TCP is read slower, datagrams beyond are dropped and counted. 0: no \
         bound.",
    ),
    quota(
        "quota.sent_bytes_per_second",
        "Bytes a second to the peers of one identity: sends wait, datagrams beyond are refused. 0: no bound.",
    ),
];

/// The setting of this key.
pub(super) fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// The values of a configuration by key.
pub(super) fn values(config: &Config) -> BTreeMap<String, Value> {
    fn walk(prefix: &str, table: Table, into: &mut BTreeMap<String, Value>) {
        for (key, value) in table {
            let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
            match value {
                Value::Table(inner) => walk(&path, inner, into),
                value => {
                    into.insert(path, value);
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    walk("", Table::try_from(config).expect("a configuration is made of plain values"), &mut found);
    found
}
