//! The audit log: who opened what to where, what was denied, how it ended. One JSON object a line, to a file or to stderr.
//!
//! Records are typed and written by `serde_json` in ASCII, so that no name and no address can begin a line, end a string or move a
//! cursor. They go through a bounded queue to a thread of their own: a slow disk holds up nobody. Where the queue is full or the
//! disk is, records are lost; their number is counted, logged, and written as a record of its own, and the sequence numbers show the
//! gap. A gateway that stopped serving because its disk is full would let whoever fills the disk stop it.

mod ascii;
mod record;
mod target;
mod writer;

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

pub use self::{ascii::Ascii, record::Event, target::Target};
use self::{record::line, writer::Writer};
use crate::{identity::Caller, metrics::Metrics};

tokio::task_local! {
    /// Where the call that this task serves comes from.
    static PEER: Option<SocketAddr>;
}

/// Runs a part of a call, whose records will name where it comes from.
pub fn on_behalf_of<T>(peer: Option<SocketAddr>, part: impl FnOnce() -> T) -> T {
    PEER.sync_scope(peer, part)
}

/// A future that goes on for a call, in a task of its own.
pub fn carried<F: Future>(peer: Option<SocketAddr>, future: F) -> impl Future<Output = F::Output> {
    PEER.scope(peer, future)
}

/// Where the call that is being served comes from; None outside of calls.
pub fn peer() -> Option<SocketAddr> {
    PEER.try_with(|peer| *peer).unwrap_or_default()
}

/// Who is responsible for something.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// The caller.
    pub caller: &'a Caller,
    /// Where its call came from.
    pub peer: Option<SocketAddr>,
}

impl<'a> Who<'a> {
    /// The caller of the call that is being served.
    pub fn calls(caller: &'a Caller) -> Self {
        Self { caller, peer: peer() }
    }
}

/// The audit log, or none.
pub struct Audit {
    on: Option<On>,
}

struct On {
    writer: Writer,
    next: AtomicU64,
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("on", &self.on.is_some()).finish()
    }
}

impl Audit {
    /// Nothing is recorded.
    pub fn off() -> Self {
        Self { on: None }
    }

    /// Opens the target and starts the thread that writes to it; at most `queue` records wait for it.
    ///
    /// # Errors
    /// What the system says to the file.
    pub fn start(target: &Target, queue: usize, metrics: Arc<Metrics>) -> io::Result<Self> {
        let writer = Writer::start(target, queue, metrics)?;
        Ok(Self { on: Some(On { writer, next: AtomicU64::new(1) }) })
    }

    /// Records what `event` tells; it is not asked while there is no log. Never waits.
    pub fn record<'a>(&self, event: impl FnOnce() -> (Option<Who<'a>>, Event<'a>)) {
        let Some(on) = &self.on else { return };
        let (who, event) = event();
        let sequence = on.next.fetch_add(1, Ordering::Relaxed);
        on.writer.write(line(SystemTime::now(), sequence, who, &event));
    }

    /// Waits until everything recorded so far is written, but no longer than `most`; false where it is not. Blocks the thread.
    pub fn flush(&self, most: Duration) -> bool {
        self.on.as_ref().is_none_or(|on| on.writer.flush(most))
    }

    /// Opens the file anew, for who has moved it away (logrotate). Nothing changes until the closure is called.
    ///
    /// # Errors
    /// What the system says to the file; the one in use stays.
    pub fn prepare_reopen(&self) -> io::Result<impl FnOnce() + use<'_>> {
        let fresh = self.on.as_ref().map(|on| on.writer.open().map(|file| (on, file))).transpose()?;
        Ok(move || {
            if let Some((on, file)) = fresh {
                on.writer.replace(file);
            }
        })
    }
}
