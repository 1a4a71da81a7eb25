//! What is to be written to a TCP session.
//!
//! While nothing is queued a caller writes to the socket itself, under the outbound lock, without waiting. What does not fit stays
//! in the queue as a job that the session's task finishes: an item is written whole or not at all, whatever becomes of its caller.
//! A job's effect on the data claim happens when its first byte is about to be written, so claims move in the order of the bytes.

use std::{collections::VecDeque, io, sync::Arc};

use bytes::Bytes;
use tokio::{net::TcpStream, sync::oneshot};

use super::{
    exchange::Collector,
    tap::{Direction, Taps},
    turn::TurnGuard,
};
use crate::{
    claims::ClaimMove,
    envelope::SessionId,
    error::{Error, Reason, errno_name, io_sentence},
};

/// A send that was checked and is ready to be written.
pub struct Send {
    /// The items, line terminators included; none is empty.
    pub items: Vec<Bytes>,
    /// Moves the data claim.
    pub claim: Option<ClaimMove>,
    /// The write offset its caller counts on.
    pub expected_offset: Option<u64>,
}

/// A send that the operating system has taken whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// How many items.
    pub chunk_count: u32,
    /// The session's outbound byte count after it.
    pub write_offset: u64,
}

/// A send under way.
pub enum Sending {
    /// It is over.
    Done(Written),
    /// The session's task goes on with it.
    Queued(u64, oneshot::Receiver<Result<Written, Error>>),
    /// An exchange has the turn: nothing was done yet, but its place in the line is taken. `session::send_later` goes on.
    PutOff(PutOff),
}

/// A send that waits for the turn.
pub struct PutOff {
    pub(super) send: Send,
    pub(super) granted: oneshot::Receiver<TurnGuard>,
}

/// What happens when a job's first byte is written.
pub(super) enum Effect {
    None,
    Claim(ClaimMove),
    Collect(Box<Collector>),
}

pub(super) struct Job {
    id: u64,
    items: Vec<Bytes>,
    /// Items written whole.
    next: usize,
    /// Bytes written of the item under way.
    position: usize,
    effect: Option<Effect>,
    cancelled: bool,
    done: Option<oneshot::Sender<Result<Written, Error>>>,
}

impl Job {
    pub(super) fn new(id: u64, items: Vec<Bytes>, effect: Effect) -> Self {
        Self { id, items, next: 0, position: 0, effect: Some(effect), cancelled: false, done: None }
    }

    pub(super) fn notify(&mut self) -> oneshot::Receiver<Result<Written, Error>> {
        let (done, receiver) = oneshot::channel();
        self.done = Some(done);
        receiver
    }

    fn begun(&self) -> bool {
        self.effect.is_none()
    }

    fn remaining(&self) -> usize {
        self.items[self.next..].iter().map(Bytes::len).sum::<usize>() - self.position
    }

    pub(super) fn written(&self, write_offset: u64) -> Written {
        Written { chunk_count: self.next as u32, write_offset }
    }

    pub(super) fn items_written(&self) -> usize {
        self.next
    }

    fn finish(&mut self, result: Result<Written, Error>) {
        // Whether the caller is gone by now (a collector: with its reply) does not matter to what was written.
        if let Some(done) = self.done.take() {
            let _ = done.send(result);
        }
    }
}

/// What one step of writing took of a job.
pub(super) struct Wrote<'a> {
    pub(super) bytes: usize,
    /// Of the first of them in the outbound stream.
    offset: u64,
    items: &'a [Bytes],
    /// Where in the items it began: which of them, and at which byte.
    from: (usize, usize),
}

impl Wrote<'_> {
    /// Shows it to whoever taps: each item, or what was written of it, by itself.
    pub(super) fn tap(&self, taps: &Taps) {
        if !taps.any() {
            return;
        }
        let (mut offset, mut left) = (self.offset, self.bytes);
        let (first, skipped) = self.from;
        for (number, item) in self.items[first..].iter().enumerate() {
            let item = if number == 0 { &item[skipped..] } else { item };
            let piece = &item[..item.len().min(left)];
            if piece.is_empty() {
                break;
            }
            taps.copy(Direction::Sent, offset, piece, None);
            offset += piece.len() as u64;
            left -= piece.len();
        }
    }
}

/// How far writing got.
pub(super) enum Pumped {
    /// Nothing is queued.
    Drained,
    /// The peer does not take more now.
    Blocked,
    /// The socket is dead.
    Broken(io::Error),
}

#[derive(Default)]
pub(super) struct Outbound {
    socket: Option<Arc<TcpStream>>,
    queue: VecDeque<Job>,
    queued_bytes: usize,
    written: u64,
    next_id: u64,
    /// The error a caller's own write met; the session's task has yet to see it.
    failed: Option<io::Error>,
}

impl Outbound {
    pub(super) fn open(&mut self, socket: Arc<TcpStream>) {
        self.socket = Some(socket);
    }

    /// Lets go of the socket and fails what is queued.
    pub(super) fn close(&mut self, session: &SessionId, error: &io::Error) {
        self.socket = None;
        self.queued_bytes = 0;
        for mut job in std::mem::take(&mut self.queue) {
            job.finish(Err(socket_dead(session, error, job.next)));
        }
    }

    /// A caller's write failed: as `close`, and the session's task will be told.
    pub(super) fn fail(&mut self, session: &SessionId, error: io::Error) {
        self.close(session, &error);
        self.failed = Some(error);
    }

    pub(super) fn take_failed(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    pub(super) fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn queued_sends(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The write offset after everything accepted so far.
    pub(super) fn accepted_offset(&self) -> u64 {
        self.written + self.queued_bytes as u64
    }

    pub(super) fn push(&mut self, job: Job) {
        self.queued_bytes += job.remaining();
        self.queue.push_back(job);
    }

    /// Writes a job that is not queued, before which nothing is. True: it is over.
    pub(super) fn write_first(
        &mut self,
        job: &mut Job,
        begin: impl FnMut(Effect),
        mut wrote: impl FnMut(&Wrote<'_>),
    ) -> io::Result<bool> {
        let Some(socket) = &self.socket else { return Err(io::ErrorKind::NotConnected.into()) };
        let from = (job.next, job.position);
        let (result, bytes) = advance(socket, job, begin);
        wrote(&Wrote { bytes, offset: self.written, items: &job.items, from });
        self.written += bytes as u64;
        result
    }

    /// Writes what is queued as far as the socket takes it. `begin` is called with each job's effect before its first byte.
    pub(super) fn pump(&mut self, mut begin: impl FnMut(Effect), mut wrote: impl FnMut(&Wrote<'_>)) -> Pumped {
        let Self { socket: Some(socket), queue, queued_bytes, written, .. } = self else { return Pumped::Drained };
        while let Some(job) = queue.front_mut() {
            let from = (job.next, job.position);
            let (result, bytes) = advance(socket, job, &mut begin);
            wrote(&Wrote { bytes, offset: *written, items: &job.items, from });
            *queued_bytes -= bytes;
            *written += bytes as u64;
            match result {
                Ok(true) => {
                    // Of a cancelled job something may be left.
                    *queued_bytes -= job.remaining();
                    job.finish(Ok(job.written(*written)));
                    queue.pop_front();
                }
                Ok(false) => return Pumped::Blocked,
                Err(error) => return Pumped::Broken(error),
            }
        }
        Pumped::Drained
    }

    /// The caller of a queued job has left: what is not begun is not written, an item under way is finished. True: the job is
    /// gone without a trace.
    pub(super) fn cancel(&mut self, id: u64) -> bool {
        let Some(at) = self.queue.iter().position(|job| job.id == id) else { return false };
        let job = &mut self.queue[at];
        if job.begun() {
            job.cancelled = true;
            return false;
        }
        self.queued_bytes -= job.remaining();
        self.queue.remove(at);
        true
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }
}

/// Applies the job's effect if it has not begun, and writes what the socket takes: whether the job is over, and how many bytes went.
fn advance(socket: &TcpStream, job: &mut Job, mut begin: impl FnMut(Effect)) -> (io::Result<bool>, usize) {
    if let Some(effect) = job.effect.take() {
        begin(effect);
    }
    let before = job.remaining();
    let result = write_items(socket, job);
    (result, before - job.remaining())
}

/// Each item is a write of its own. True: the job is over.
fn write_items(socket: &TcpStream, job: &mut Job) -> io::Result<bool> {
    while let Some(item) = job.items.get(job.next) {
        if job.cancelled && job.position == 0 {
            break;
        }
        match socket.try_write(&item[job.position..]) {
            Ok(bytes) => job.position += bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if job.position == item.len() {
            job.next += 1;
            job.position = 0;
        }
    }
    Ok(true)
}

pub(super) fn socket_dead(session: &SessionId, error: &io::Error, items_written: usize) -> Error {
    let sentence = format!("the connection died under the write: {}", io_sentence(error));
    let dead =
        Error::new(Reason::SocketNotConnected, sentence).with("sessionId", session).with("itemsWritten", items_written);
    match errno_name(error) {
        Some(name) => dead.with("errno", name),
        None => dead,
    }
}
