//! An exchange's collector: what a session puts its inbound frames into while a call has the turn.
//!
//! A collector first *collects* for its caller. When the caller leaves (deadline, cancel) before the answer is complete, it
//! *settles*: frames go to the holder of the data claim, and the turn is kept until the late answer has come or the settle time is
//! over, so that the late answer is never taken for the next caller's.

use std::time::Duration;

use bytes::Bytes;
use tokio::{sync::oneshot, time::Instant};

use super::turn::TurnGuard;
use crate::{
    error::{Error, Reason},
    framing::{Capture, Content, Frame, LineLimits, WaitFor, WaitState},
};

/// What an exchange asks for.
#[derive(Clone, Debug)]
pub struct ExchangeSpec {
    /// Collect until this matches; without it until one frame.
    pub wait_for: Option<WaitFor>,
    /// By when it must be complete.
    pub deadline: Instant,
    /// How long the turn is kept for a late answer.
    pub settle: Duration,
    /// Abort the session instead of settling.
    pub abort_unanswered: bool,
}

/// What completed an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The pattern matched.
    Match,
    /// A frame arrived.
    Frame,
    /// The peer ended the connection.
    PeerClosed,
}

/// The answer of an exchange.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What completed it.
    pub end: End,
    /// The frames, with a pattern those before the match.
    pub frames: Vec<Bytes>,
    /// What matched.
    pub matched: Option<Bytes>,
    /// The pattern's groups.
    pub captures: Vec<Capture>,
    /// The position in the inbound stream after the answer.
    pub read_offset: u64,
}

type Reply = oneshot::Sender<Result<Answer, Error>>;

pub(super) struct Collector {
    pub(super) id: u64,
    wait: Option<WaitState>,
    /// Frames that had arrived before it began and are part of its answer.
    before: Vec<Frame>,
    /// What may be held before the pattern matches.
    held: LineLimits,
    /// None: it settles.
    reply: Option<Reply>,
    settle: Duration,
    settle_until: Option<Instant>,
    /// Passed on when the collector is dropped.
    _turn: TurnGuard,
}

/// What a collector did with a frame.
pub(super) enum Took {
    /// The exchange is over.
    Complete,
    /// The exchange is over; the frame is not its caller's.
    CompleteWith(Frame),
    /// It goes on; the frame is not its caller's.
    Stray(Frame),
}

impl Collector {
    pub(super) fn new(id: u64, spec: &ExchangeSpec, held: LineLimits, reply: Reply, turn: TurnGuard) -> Self {
        let wait = spec.wait_for.as_ref().map(WaitFor::new_state);
        let before = Vec::new();
        Self { id, wait, before, held, reply: Some(reply), settle: spec.settle, settle_until: None, _turn: turn }
    }

    /// Begins with frames that arrived earlier and nobody has been given. Returns what is left of them where they complete the
    /// exchange.
    pub(super) fn begin_with(&mut self, mut frames: Vec<Frame>) -> Option<Vec<Frame>> {
        let matching = |frame: &Frame| match &self.wait {
            None => Some(Vec::new()),
            Some(wait) => bytes_of(frame).and_then(|line| wait.match_line(line)),
        };
        let Some((at, captures)) =
            frames.iter().enumerate().find_map(|(at, frame)| matching(frame).map(|captures| (at, captures)))
        else {
            self.before = frames;
            return None;
        };
        let left = frames.split_off(at + 1);
        let read_offset = frames[at].next_offset;
        let (end, matched) = match &self.wait {
            None => (End::Frame, None),
            Some(_) => (End::Match, frames.pop().as_ref().and_then(bytes_of).cloned()),
        };
        let frames = frames.iter().filter_map(bytes_of).cloned().collect();
        self.reply(Ok(Answer { end, frames, matched, captures, read_offset }));
        Some(left)
    }

    /// What it began with and did not answer with.
    pub(super) fn take_before(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.before)
    }

    fn with_before(&mut self, frames: Vec<Bytes>) -> Vec<Bytes> {
        if self.before.is_empty() {
            return frames;
        }
        self.take_before().iter().filter_map(bytes_of).cloned().chain(frames).collect()
    }

    pub(super) fn wait_mut(&mut self) -> Option<&mut WaitState> {
        self.wait.as_mut()
    }

    pub(super) fn is_settling(&self) -> bool {
        self.reply.is_none()
    }

    pub(super) fn settle_until(&self) -> Option<Instant> {
        self.settle_until
    }

    /// The caller has left.
    pub(super) fn start_settling(&mut self, now: Instant) {
        self.reply = None;
        self.settle_until = Some(now + self.settle);
    }

    pub(super) fn take(&mut self, frame: Frame) -> Took {
        // A caller that is gone but has not said so yet: its guard is about to start the settling.
        if self.reply.as_ref().is_none_or(oneshot::Sender::is_closed) {
            let completes = self.wait.is_none() || matches!(frame.content, Content::Match { .. });
            let stray = flatten(frame);
            return if completes { Took::CompleteWith(stray) } else { Took::Stray(stray) };
        }
        let read_offset = frame.next_offset;
        let answer = match frame.content {
            Content::Match { lines, matched, captures } => {
                let frames = self.with_before(lines);
                Answer { end: End::Match, frames, matched: Some(matched), captures, read_offset }
            }
            Content::Chunk(bytes) | Content::Line(bytes) => {
                Answer { end: End::Frame, frames: vec![bytes], matched: None, captures: Vec::new(), read_offset }
            }
            // Lines held for the pattern outgrew their limit: the caller cannot get them all, the claim's holder can.
            flushed @ Content::Flushed { .. } => {
                let too_many = matches!(&flushed, Content::Flushed { lines, .. } if lines.len() > self.held.held_lines);
                let (limit, value) = match too_many {
                    true => ("line_held_lines", self.held.held_lines),
                    false => ("line_held_bytes", self.held.held_bytes),
                };
                self.fail(Error::limit(
                    limit,
                    value,
                    "the answer outgrew what may be collected before wait_for matches; it goes to the holder of the data claim",
                ));
                return Took::CompleteWith(Frame { content: flushed, ..frame });
            }
        };
        self.reply(Ok(answer));
        Took::Complete
    }

    /// The peer ended the connection: what there is is the answer.
    pub(super) fn peer_closed(&mut self, rest: Option<Frame>, read_offset: u64) {
        let frames = match rest.map(|frame| frame.content) {
            Some(Content::Flushed { lines, .. }) => lines,
            Some(Content::Chunk(bytes) | Content::Line(bytes)) => vec![bytes],
            Some(Content::Match { .. }) | None => Vec::new(),
        };
        let frames = self.with_before(frames);
        self.reply(Ok(Answer { end: End::PeerClosed, frames, matched: None, captures: Vec::new(), read_offset }));
    }

    pub(super) fn fail(&mut self, error: Error) {
        self.reply(Err(error));
    }

    fn reply(&mut self, result: Result<Answer, Error>) {
        if let Some(reply) = self.reply.take() {
            // A caller that has just left misses it; nobody else may have it.
            let _ = reply.send(result);
        }
    }
}

fn bytes_of(frame: &Frame) -> Option<&Bytes> {
    match &frame.content {
        Content::Chunk(bytes) | Content::Line(bytes) => Some(bytes),
        Content::Match { .. } | Content::Flushed { .. } => None,
    }
}

/// A late answer in the form a holder without this pattern gets it: lines.
fn flatten(frame: Frame) -> Frame {
    match frame.content {
        Content::Match { mut lines, matched, .. } => {
            lines.push(matched);
            Frame { content: Content::Flushed { lines, last_unfinished: false }, ..frame }
        }
        content => Frame { content, ..frame },
    }
}

/// The exchange did not complete by its deadline.
pub(super) fn timed_out(session: &str, phase: &'static str) -> Error {
    let message = match phase {
        "turn" => {
            "the deadline passed while waiting for the turn: an earlier exchange, or its late answer, holds the session"
        }
        "write" => "the deadline passed before the peer took the request",
        _ => {
            "the deadline passed before the answer was complete; what arrives late goes to the holder of the data claim"
        }
    };
    Error::new(Reason::Timeout, message).with("sessionId", session).with("phase", phase)
}
