//! The integration tests: one file per promise, against a gateway that runs in this process and is reached over gRPC.

#![allow(
    clippy::disallowed_methods,
    reason = "tests play the peers and the clients, with sockets and tasks of their own"
)]
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no callers")]

mod support;

/// Addresses of both families: dialled, bound, shown, and raced where a name has several.
mod addresses;
/// Any calls in any order against a simple reference: claims, turns, lives of ids.
mod any_calls;
/// Attach: everything on one stream, which nothing but its end ends.
mod attach;
/// Sends on an Attach stream: written, and answered, in the order of their commands.
mod attached_sends;
/// The audit log: what is recorded, that it cannot be forged, and that it holds up nobody.
mod audit;
/// Absurd requests: refused with a reason, and nothing stays behind.
mod bad_input;
/// The data claim and its wait_for: who gets which line, and what happens to lines when the claim moves or the session ends.
mod claims;
/// How sessions end: by FIN, by RST, by the peer, by request; and what is still written and delivered then.
mod closing;
/// Data and events reach their subscriber in order, at its pace, within bounds.
mod delivery;
/// Errors: every reason with its gRPC code and its details, to the caller and on the events output alike.
mod errors;
/// Exchanges: a request and its own answer, one at a time on a session, whatever becomes of their callers.
mod exchange;
/// A greeting is not missed by an exchange that comes after it.
mod greetings;
/// Callers that leave in the middle of a call, at every moment: nothing stays behind, and the session serves the next.
mod leaving;
/// Every limit of the settings, reached in turn, with the process healthy after.
mod limits;
/// Listeners: what they accept, how they end, and that their port is free then.
mod listeners;
/// Metrics: what the admin server shows is exactly what happened, and what it costs is bounded.
mod metrics;
/// Dashboard, alert rules and documentation: they name what the gateway exposes, and promtool takes them.
mod observability;
/// The policy: what is denied never arrives.
mod policy;
/// Quotas of one identity, and what is too much for all.
mod quotas;
/// Request ids: a retry answers with what the first call opened, and a cancelled call goes on.
mod request_ids;
/// Sends: in order, each item whole, waiting where the peer does, moving the claim where they say so.
mod sends;
/// The way down: what is queued is written, everybody is told, and nobody can hold it up for ever.
mod shutdown;
/// Readers that fall behind while little things come one at a time are waited for.
mod slow_readers;
/// Taps: exact bytes for who looks, and nothing taken from the session.
mod taps;
/// A session from connecting to disconnected, and how it is spoken to.
mod tcp_sessions;
/// Inactivity and orphan timeouts: when they fire, who is told, and what keeps them from firing.
mod timeouts;
/// UDP: datagrams in and out, from the right socket, within the system's rules.
mod udp;
/// What operators see: lists, single sessions, and every change as it happens.
mod watching;
