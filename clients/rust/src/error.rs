//! What can go wrong, typed.

use std::{collections::HashMap, io};

use tonic::{Code, Status};
use tonic_types::StatusExt;

pub use crate::proto::ErrorReason as Reason;
use crate::{events::Closed, proto::CommandError};

/// Why an operation failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The gateway refused or failed the call, and says why.
    #[error("{0}")]
    Gateway(Box<Failure>),
    /// The gateway cannot be reached, or went away and did not come back within `Options::reconnect_for`.
    #[error("the gateway cannot be reached: {0}")]
    Unreachable(String),
    /// The session has ended.
    #[error("the session has ended: {0}")]
    Closed(Closed),
    /// The listener has ended.
    #[error("the listener has ended")]
    ListenerClosed,
    /// The stream to the gateway broke before the answer came: what was sent may or may not have been written.
    /// `Session::write_offset` tells how much the gateway has written.
    #[error("the stream to the gateway broke before the answer came: whether it was written is not known")]
    Interrupted,
    /// The gateway was restarted, or forgot this subscriber: its sessions are gone, and so is what was not delivered.
    #[error("the gateway was restarted: its sessions are gone")]
    GatewayRestarted,
    /// The `Gateway` was closed.
    #[error("this Gateway was closed")]
    GatewayClosed,
    /// An option is senseless; nothing was sent.
    #[error("{0}")]
    Invalid(String),
}

/// What the gateway says about a failed call.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The gRPC code.
    pub code: Code,
    /// Why; `Unspecified` where the answer does not come from a socket-gateway, or from a newer one.
    pub reason: Reason,
    /// A sentence for people.
    pub message: String,
    /// Ids, and where the operating system refused its errno name.
    pub metadata: HashMap<String, String>,
    /// Every bad field of the request.
    pub violations: Vec<Violation>,
}

/// One bad field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field's path.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub description: String,
}

impl Error {
    /// Why the gateway refused; None where it did not.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Gateway(failure) => Some(failure.reason),
            Self::GatewayRestarted => Some(Reason::InstanceChanged),
            _ => None,
        }
    }

    /// The errno name of the operating system's refusal, for example "ECONNREFUSED".
    pub fn errno(&self) -> Option<&str> {
        match self {
            Self::Gateway(failure) => failure.metadata.get("errno").map(String::as_str),
            _ => None,
        }
    }

    /// Whether trying again may help: the gateway was away or is going down.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Interrupted => true,
            Self::Gateway(failure) => failure.code == Code::Unavailable,
            _ => false,
        }
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let Some(info) = details.error_info() else {
            // Without details it was not the gateway that answered, or a limit of the gRPC library itself.
            return match status.code() {
                // A connection that ends under a call is "cancelled" to the HTTP library.
                Code::Unavailable | Code::Unknown | Code::Cancelled => Self::Unreachable(reached(&status)),
                code => Self::Gateway(Box::new(Failure {
                    code,
                    reason: Reason::Unspecified,
                    message: status.message().to_owned(),
                    metadata: HashMap::new(),
                    violations: Vec::new(),
                })),
            };
        };
        let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
        Self::Gateway(Box::new(Failure {
            code: status.code(),
            reason: reason_of(&info.reason),
            message: status.message().to_owned(),
            metadata: info.metadata.clone(),
            violations: violations
                .into_iter()
                .map(|violation| Violation { field: violation.field, description: violation.description })
                .collect(),
        }))
    }
}

/// tonic says "transport error" and leaves the cause to the source.
fn reached(status: &Status) -> String {
    let mut told = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(cause) = source {
        let cause_told = cause.to_string();
        if !told.contains(&cause_told) {
            told = format!("{told}: {cause_told}");
        }
        source = cause.source();
    }
    told
}

impl From<tonic::transport::Error> for Error {
    fn from(error: tonic::transport::Error) -> Self {
        let mut told = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            told = format!("{told}: {cause}");
            source = cause.source();
        }
        Self::Unreachable(told)
    }
}

impl From<CommandError> for Error {
    fn from(error: CommandError) -> Self {
        Self::Gateway(Box::new(Failure {
            code: Code::from(error.grpc_code),
            reason: reason_of(&error.error_code),
            message: error.error_text,
            metadata: error.metadata,
            violations: error
                .field_violations
                .into_iter()
                .map(|violation| Violation { field: violation.field, description: violation.description })
                .collect(),
        }))
    }
}

impl Failure {
    /// What an error envelope says. Its gRPC code is not in it.
    pub(crate) fn of_envelope(code: &str, text: String, metadata: HashMap<String, String>) -> Self {
        Self { code: Code::Unknown, reason: reason_of(code), message: text, metadata, violations: Vec::new() }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Unreachable(_) | Error::Interrupted | Error::GatewayRestarted => io::ErrorKind::ConnectionAborted,
            Error::Closed(closed) => closed.io_kind(),
            Error::GatewayClosed | Error::ListenerClosed => io::ErrorKind::NotConnected,
            Error::Invalid(_) => io::ErrorKind::InvalidInput,
            Error::Gateway(failure) => match failure.reason {
                Reason::Timeout => io::ErrorKind::TimedOut,
                Reason::SocketNotConnected | Reason::SessionEnded => io::ErrorKind::BrokenPipe,
                Reason::SessionNotFound | Reason::SessionNotConnected => io::ErrorKind::NotConnected,
                Reason::PolicyDenied => io::ErrorKind::PermissionDenied,
                Reason::ConnectFailed if error.errno() == Some("ECONNREFUSED") => io::ErrorKind::ConnectionRefused,
                Reason::ConnectFailed if error.errno() == Some("ETIMEDOUT") => io::ErrorKind::TimedOut,
                _ => io::ErrorKind::Other,
            },
        };
        Self::new(kind, error)
    }
}

fn reason_of(code: &str) -> Reason {
    Reason::from_str_name(&format!("ERROR_REASON_{code}")).unwrap_or(Reason::Unspecified)
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn of_gateway(code: Code, reason: &str) -> Error {
        let metadata = HashMap::from([("errno".to_owned(), "ECONNREFUSED".to_owned())]);
        let details = ErrorDetails::with_error_info(reason, "socket-gateway", metadata);
        Status::with_error_details(code, "a sentence", details).into()
    }

    #[test]
    fn every_code_of_the_gateway_becomes_its_reason_also_one_that_no_client_can_provoke() {
        let mut known = 0;
        for number in 1.. {
            let Ok(reason) = Reason::try_from(number) else { break };
            let name = reason.as_str_name().trim_start_matches("ERROR_REASON_");
            assert_eq!(of_gateway(Code::Internal, name).reason(), Some(reason), "{name}");
            known += 1;
        }
        assert!(known > 20, "only {known}");
        assert_eq!(of_gateway(Code::Internal, "INTERNAL").reason(), Some(Reason::Internal));
    }

    #[test]
    fn a_code_of_a_newer_gateway_is_unspecified_and_keeps_its_sentence() {
        let error = of_gateway(Code::Aborted, "NOT_INVENTED_YET");
        assert_eq!((error.reason(), error.to_string().as_str()), (Some(Reason::Unspecified), "a sentence"));
    }

    #[test]
    fn an_error_of_a_socket_has_the_kind_that_socket_code_expects() {
        let refused = io::Error::from(of_gateway(Code::FailedPrecondition, "CONNECT_FAILED"));
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(io::Error::from(Error::GatewayClosed).kind(), io::ErrorKind::NotConnected);
    }

    #[test]
    fn a_status_that_is_not_the_gateways_tells_whether_to_try_again() {
        assert!(Error::from(Status::unavailable("connection refused")).is_transient());
        assert!(!Error::from(Status::unimplemented("no such method")).is_transient());
    }
}
