//! The span of a session: by what logs and traces know it.

use tracing::{Span, field::Empty};

use crate::{
    envelope::{Kind, SessionId},
    identity::Caller,
    subscriber::Lane,
};

/// The target of these spans.
pub const SESSIONS: &str = "socket_gateway::session";

/// At the level of what is logged of each session, so that it is made only where that, or traces, are wanted: the lines of a log keep
/// a span's fields as text, and that text was an eighth of what a short session cost (callgrind, `docs/benchmark.md`).
pub(super) fn span(id: &SessionId, owner: &Caller, kind: Kind, lifecycle: &Lane) -> Span {
    let span = tracing::debug_span!(
        target: SESSIONS,
        parent: None,
        "session",
        session = %id,
        subscriber = %lifecycle.subscriber().name(),
        identity = %owner.identity,
        namespace = %owner.namespace,
        kind = kind.as_str(),
        remote = Empty,
        close_reason = Empty,
        bytes_received = Empty,
        bytes_sent = Empty,
    );
    // It outlives the call that opens it: linked, not a part of it.
    span.follows_from(Span::current());
    span
}
