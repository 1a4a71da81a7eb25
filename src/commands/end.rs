//! How a command ends other than well: what is said, and the exit code that scripts can use.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use socket_gateway_client::{CloseReason, Closed, Error, Reason};
use tonic::{Code, Status};

/// The exit codes, as in sysexits.h.
const FAILED: u8 = 1;
const USAGE: u8 = 64;
const NOT_FOUND: u8 = 66;
const UNAVAILABLE: u8 = 69;
const NO_PERMISSION: u8 = 77;
const TIMED_OUT: u8 = 75;
/// As a shell tells of a program that an interrupt ended.
const INTERRUPTED: u8 = 130;

/// The end of a command that did not do all it was asked to.
#[derive(Debug)]
pub struct End {
    code: u8,
    said: String,
}

impl End {
    pub(crate) fn failed(said: impl Into<String>) -> Self {
        Self { code: FAILED, said: said.into() }
    }

    pub(crate) fn usage(said: impl Into<String>) -> Self {
        Self { code: USAGE, said: said.into() }
    }

    pub(crate) fn interrupted() -> Self {
        Self { code: INTERRUPTED, said: String::new() }
    }

    /// A reader that has seen enough and went away: nothing to say.
    pub(crate) fn of_output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self { code: FAILED, said: String::new() },
            _ => Self::failed(format!("cannot write the output: {error}")),
        }
    }

    /// How a session ended, where that was not in order.
    pub(crate) fn of_session(closed: &Closed) -> Result<(), Self> {
        match closed.reason {
            CloseReason::PeerClosed | CloseReason::ByRequest => Ok(()),
            CloseReason::Timeout => Err(Self { code: TIMED_OUT, said: closed.to_string() }),
            _ => Err(Self::failed(closed.to_string())),
        }
    }

    pub(crate) fn said(&self) -> &str {
        &self.said
    }

    /// Says it on standard error, and gives the exit code.
    pub(crate) fn tell(self) -> ExitCode {
        if !self.said.is_empty() {
            // Where nobody can read it, the exit code has to do.
            let _ = writeln!(io::stderr(), "socket-gateway: {}", self.said);
        }
        ExitCode::from(self.code)
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Unreachable(_) | Error::GatewayRestarted | Error::Interrupted => UNAVAILABLE,
            Error::Invalid(_) => USAGE,
            Error::Gateway(failure) => match (failure.reason, failure.code) {
                (Reason::SessionNotFound | Reason::ListenerNotFound, _) => NOT_FOUND,
                (_, Code::PermissionDenied | Code::Unauthenticated) => NO_PERMISSION,
                (_, Code::InvalidArgument | Code::OutOfRange) => USAGE,
                (_, Code::DeadlineExceeded) => TIMED_OUT,
                (_, Code::Unavailable) => UNAVAILABLE,
                _ => FAILED,
            },
            _ => FAILED,
        };
        let said = match &error {
            Error::Gateway(failure) if failure.reason != Reason::Unspecified => {
                format!("{error} ({})", failure.reason.as_str_name().trim_start_matches("ERROR_REASON_"))
            }
            Error::Unreachable(_) => format!("{error}; is it running there? --gateway HOST:PORT names another"),
            _ => error.to_string(),
        };
        Self { code, said }
    }
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        Error::from(status).into()
    }
}
