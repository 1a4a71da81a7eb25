//! Where audit records go.

use std::{
    convert::Infallible,
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::PathBuf,
    str::FromStr,
};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// Only the gateway's own user reads and writes it.
const MODE: u32 = 0o600;

const STDERR: &str = "stderr";

/// Where audit records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// With the logs.
    Stderr,
    /// A file, which is appended to, or a named pipe that somebody reads.
    File(PathBuf),
}

impl FromStr for Target {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == STDERR { Self::Stderr } else { Self::File(text.into()) })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stderr => f.write_str(STDERR),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

pub(super) type Sink = Box<dyn Write + Send>;

impl Target {
    /// Opens it. A pipe that nobody reads is an error rather than a wait.
    pub(super) fn open(&self) -> io::Result<Sink> {
        match self {
            Self::Stderr => Ok(Box::new(io::stderr())),
            Self::File(path) => {
                let flags = (OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits();
                let file = OpenOptions::new().append(true).create(true).mode(MODE).custom_flags(flags).open(path)?;
                wait_on_writes(&file)?;
                Ok(Box::new(file))
            }
        }
    }
}

/// From now on a write waits: it happens on a thread that has nothing else to do.
fn wait_on_writes(file: &File) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(file.as_fd(), FcntlArg::F_GETFL)?);
    fcntl(file.as_fd(), FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    Ok(())
}
