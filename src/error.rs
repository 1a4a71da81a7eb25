//! The gateway's one error type, and the only table from an error to its code and its gRPC status.
//!
//! `Error` fails a call or is reported as an envelope; `CloseReason` (in `envelope`) ends a session. A call's error reaches its
//! caller as a gRPC status with `google.rpc.ErrorInfo` (and `BadRequest` where fields are at fault) and, where it names a
//! subscriber, as an error envelope. Messages are sentences for the caller: what was wrong and what would be right.

use std::{collections::HashMap, fmt, io};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// The domain of every `ErrorInfo`.
pub const DOMAIN: &str = "socket-gateway";

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal => $code:ident,)*) => {
        /// Why something failed. `tcpip.v1.ErrorReason` documents each for callers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $(#[doc = $name] $variant,)* }

        impl Reason {
            /// All reasons, in the order of the proto enum.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The SCREAMING_SNAKE code.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The gRPC code of a call that fails with it.
            pub const fn code(self) -> Code {
                match self { $(Self::$variant => Code::$code,)* }
            }
        }
    };
}

reasons! {
    ConnectInvalid = "CONNECT_INVALID" => InvalidArgument,
    SessionIdConflict = "SESSION_ID_CONFLICT" => AlreadyExists,
    // Not UNAVAILABLE: clients retry that by themselves, and it means the gateway.
    ConnectFailed = "CONNECT_FAILED" => FailedPrecondition,
    ListenInvalid = "LISTEN_INVALID" => InvalidArgument,
    ServerError = "SERVER_ERROR" => FailedPrecondition,
    SessionNotFound = "SESSION_NOT_FOUND" => NotFound,
    ListenerNotFound = "LISTENER_NOT_FOUND" => NotFound,
    SessionNotConnected = "SESSION_NOT_CONNECTED" => FailedPrecondition,
    SocketNotConnected = "SOCKET_NOT_CONNECTED" => Aborted,
    PayloadInvalid = "PAYLOAD_INVALID" => InvalidArgument,
    WaitForInvalid = "WAIT_FOR_INVALID" => InvalidArgument,
    SendInvalid = "SEND_INVALID" => InvalidArgument,
    UdpSendFailed = "UDP_SEND_FAILED" => FailedPrecondition,
    UdpError = "UDP_ERROR" => FailedPrecondition,
    Timeout = "TIMEOUT" => DeadlineExceeded,
    TransportError = "TRANSPORT_ERROR" => Aborted,
    FrameTooLong = "FRAME_TOO_LONG" => ResourceExhausted,
    LimitReached = "LIMIT_REACHED" => ResourceExhausted,
    PolicyDenied = "POLICY_DENIED" => PermissionDenied,
    WriteOffsetMismatch = "WRITE_OFFSET_MISMATCH" => FailedPrecondition,
    RequestInvalid = "REQUEST_INVALID" => InvalidArgument,
    InstanceChanged = "INSTANCE_CHANGED" => FailedPrecondition,
    EpochChanged = "EPOCH_CHANGED" => FailedPrecondition,
    StreamStalled = "STREAM_STALLED" => ResourceExhausted,
    ShuttingDown = "SHUTTING_DOWN" => Unavailable,
    SessionEnded = "SESSION_ENDED" => Aborted,
    Internal = "INTERNAL" => Internal,
    Unauthenticated = "UNAUTHENTICATED" => Unauthenticated,
    RoleDenied = "ROLE_DENIED" => PermissionDenied,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One bad field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field's path.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub description: String,
}

/// What went wrong, with everything a caller is told. Boxed inside, so that results stay small.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {}", .0.reason, .0.message)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    reason: Reason,
    code: Code,
    message: String,
    metadata: Vec<(&'static str, String)>,
    violations: Vec<Violation>,
    reported: bool,
}

impl Error {
    /// An error with the reason's own gRPC code.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            reason,
            code: reason.code(),
            message: message.into(),
            metadata: Vec::new(),
            violations: Vec::new(),
            reported: false,
        }))
    }

    /// An error about request fields; the message lists them all.
    pub fn invalid(reason: Reason, violations: Vec<Violation>) -> Self {
        let listed: Vec<String> = violations.iter().map(|v| format!("{}: {}", v.field, v.description)).collect();
        let mut error = Self::new(reason, listed.join("; "));
        error.0.violations = violations;
        error
    }

    /// A configured limit was reached; `limit` is the setting's name.
    pub fn limit(limit: &'static str, value: impl fmt::Display, message: impl Into<String>) -> Self {
        Self::new(Reason::LimitReached, message).with("limit", limit).with("value", value)
    }

    /// A limit was reached that holds for all callers together.
    pub fn global_limit(limit: &'static str, value: impl fmt::Display, message: impl Into<String>) -> Self {
        Self::limit(limit, value, message).with("scope", "global")
    }

    /// The gateway is going down.
    pub fn shutting_down() -> Self {
        Self::new(Reason::ShuttingDown, "the gateway is shutting down: nothing new is opened; retry later or elsewhere")
    }

    /// No session has this id.
    pub fn session_not_found(id: &str) -> Self {
        let shown = shortened(id);
        Self::new(
            Reason::SessionNotFound,
            format!(
                "no session has the id \"{shown}\": it never existed or has ended; ListSessions shows the live ones"
            ),
        )
        .with("sessionId", shown)
    }

    /// Adds a piece of metadata.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.metadata.push((key, value.to_string()));
        self
    }

    /// Adds what the operating system said: its errno name.
    #[must_use]
    pub fn with_io(self, error: &io::Error) -> Self {
        match errno_name(error) {
            Some(name) => self.with("errno", name),
            None => self,
        }
    }

    /// Answers another gRPC code than the reason's own (a connect timeout is DEADLINE_EXCEEDED).
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.0.code = code;
        self
    }

    /// It is on the events output already: the answer to the caller need not be put there again.
    #[must_use]
    pub fn already_reported(mut self) -> Self {
        self.0.reported = true;
        self
    }

    /// Whether it is on the events output already.
    pub fn is_reported(&self) -> bool {
        self.0.reported
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The metadata.
    pub fn metadata(&self) -> &[(&'static str, String)] {
        &self.0.metadata
    }

    /// The bad fields.
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }
}

impl From<Error> for Status {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that makes a status")]
    fn from(error: Error) -> Self {
        let Inner { reason, code, message, metadata, violations, .. } = *error.0;
        let metadata: HashMap<String, String> = metadata.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let mut details = ErrorDetails::with_error_info(reason.as_str(), DOMAIN, metadata);
        if !violations.is_empty() {
            details.set_bad_request(
                violations.into_iter().map(|v| FieldViolation::new(v.field, v.description)).collect::<Vec<_>>(),
            );
        }
        Self::with_error_details(code, message, details)
    }
}

/// A caller's string, short enough to be repeated to it.
pub fn shortened(text: &str) -> String {
    const SHOWN: usize = 160;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The name of the operating system's error, for example ECONNREFUSED.
pub fn errno_name(error: &io::Error) -> Option<String> {
    error.raw_os_error().map(|raw| format!("{:?}", nix::errno::Errno::from_raw(raw)))
}

/// What the operating system said, as a sentence without Rust's "(os error N)".
pub fn io_sentence(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(raw) => nix::errno::Errno::from_raw(raw).desc().to_lowercase(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_an_error_carries_reason_metadata_and_every_violation() {
        let violations = vec![
            Violation { field: "host".into(), description: "is required".into() },
            Violation { field: "port".into(), description: "must be 1 to 65535".into() },
        ];
        let status = Status::from(Error::invalid(Reason::ConnectInvalid, violations).with("sessionId", "s1"));
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        let info = details.error_info().expect("ErrorInfo");
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("CONNECT_INVALID", DOMAIN));
        assert_eq!(info.metadata["sessionId"], "s1");
        assert_eq!(details.bad_request().expect("BadRequest").field_violations.len(), 2);
    }

    #[test]
    fn the_errno_of_a_refused_connection_has_its_name() {
        let refused = io::Error::from_raw_os_error(nix::errno::Errno::ECONNREFUSED as i32);
        assert_eq!(errno_name(&refused).as_deref(), Some("ECONNREFUSED"));
        assert_eq!(io_sentence(&refused), "connection refused");
    }
}
