//! The span of a session: by what logs and traces know it.

use tracing::{Level, Span, field::Empty};

use crate::{
    envelope::{Kind, SessionId},
    identity::Caller,
    subscriber::Lane,
};

/// The target of these spans.
pub const SESSIONS: &str = "socket_gateway::session";

/// Whether somebody wants more of sessions than by what to know them: traces, or a log of everything. The lines of a log keep what
/// is recorded as text, which is made anew with each record and would be the dearest part of a short session.
pub fn is_followed() -> bool {
    tracing::span_enabled!(target: SESSIONS, Level::DEBUG)
}

/// At the level of errors, so that even who logs nothing else learns which session one is about.
pub(super) fn span(id: &SessionId, owner: &Caller, kind: Kind, lifecycle: &Lane) -> Span {
    let span = tracing::error_span!(
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
