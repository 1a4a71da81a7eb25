//! What was read from a TCP session and who gets it: framing, the data claim, the exchange in progress.
//!
//! Everything here happens under the session's inbound lock, so that a byte is framed for exactly one receiver and a claim moves
//! between two frames.

use std::{cell::Cell, mem, sync::Arc, time::SystemTime};

use bytes::Bytes;
use tokio::{sync::Notify, time::Instant};

use super::exchange::{Collector, Took};
use crate::{
    claims::{ClaimMove, DataClaim},
    envelope::{Body, CloseReason, Envelope, SessionId},
    error::{Error, Reason},
    framing::{Content, Frame, LineFramer, LineTooLong},
    limits::ENVELOPE_OVERHEAD_BYTES,
};

/// Reads that bring less are copied out of the thread's buffer.
const BULK_BYTES: usize = 16 * 1024;

/// What an exchange may be given at a time; its answer is bounded by the limits of line framing.
const COLLECTOR_BUDGET: usize = 64 * 1024;

thread_local! {
    /// One list of frames per worker thread, for its allocation: a session keeps none, or each that ever flooded would keep a long
    /// one.
    static FRAMES: Cell<Vec<Frame>> = const { Cell::new(Vec::new()) };
}

enum Framer {
    Binary { offset: u64 },
    Line(LineFramer),
}

pub(super) struct Inbound {
    id: SessionId,
    framer: Framer,
    claim: DataClaim,
    collector: Option<Collector>,
    /// Read, but not framed yet: the holder's credit ended in the middle of a chunk.
    carry: Bytes,
    /// A line in what was carried over is: the session is about to end.
    too_long: Option<LineTooLong>,
    /// See `is_bulk`.
    bulk: bool,
    /// Nothing more will come.
    finished: Option<CloseReason>,
}

impl Inbound {
    pub(super) fn new(id: SessionId, line: Option<LineFramer>, claim: DataClaim) -> Self {
        let framer = line.map_or(Framer::Binary { offset: 0 }, Framer::Line);
        Self { id, framer, claim, collector: None, carry: Bytes::new(), too_long: None, bulk: false, finished: None }
    }

    pub(super) fn claim(&self) -> &DataClaim {
        &self.claim
    }

    pub(super) fn collector(&self) -> Option<&Collector> {
        self.collector.as_ref()
    }

    /// How much may be read now; 0: nothing until `notify` is signalled.
    pub(super) fn budget(&self, notify: &Arc<Notify>) -> usize {
        match &self.collector {
            Some(collector) if !collector.is_settling() => COLLECTOR_BUDGET,
            _ => self.claim.lane().read_budget(notify),
        }
    }

    pub(super) fn has_carry(&self) -> bool {
        !self.carry.is_empty() || self.too_long.is_some()
    }

    /// Frames what was carried over.
    pub(super) fn process_carry(&mut self, budget: usize) -> Result<(), LineTooLong> {
        if let Some(too_long) = self.too_long {
            return Err(too_long);
        }
        let carry = mem::take(&mut self.carry);
        let consumed = self.process(&carry, budget).inspect_err(|too_long| self.too_long = Some(*too_long))?;
        self.carry = carry.slice(consumed..);
        Ok(())
    }

    /// Frames all that was carried over, whatever the holder's credit; it was read long ago.
    fn frame_carry(&mut self) {
        while self.has_carry() {
            if self.process_carry(usize::MAX / 2).is_err() {
                return;
            }
        }
    }

    /// Whether the last read brought as much as it might, and bytes are delivered as they come.
    pub(super) fn is_bulk(&self) -> bool {
        self.bulk
    }

    /// Delivers what a bulk read brought, of at most `most` bytes.
    pub(super) fn process_bulk(&mut self, bytes: Bytes, most: usize) {
        self.note_bulk(bytes.len(), most);
        // A buffer that is mostly empty is not worth keeping alive.
        let bytes = if bytes.len() < most / 2 { Bytes::copy_from_slice(&bytes) } else { bytes };
        if let Framer::Binary { offset } = &mut self.framer {
            let mut frames = vec![chunk_frame(offset, bytes)];
            self.deliver(&mut frames);
        }
    }

    fn note_bulk(&mut self, bytes: usize, most: usize) {
        self.bulk = bytes == most && most >= BULK_BYTES && matches!(self.framer, Framer::Binary { .. });
    }

    /// Frames and delivers fresh bytes, read with room for `most`.
    pub(super) fn process_fresh(&mut self, bytes: &[u8], budget: usize, most: usize) -> Result<(), LineTooLong> {
        self.note_bulk(bytes.len(), most);
        let consumed = self.process(bytes, budget)?;
        if consumed < bytes.len() {
            self.carry = Bytes::copy_from_slice(&bytes[consumed..]);
        }
        Ok(())
    }

    fn process(&mut self, bytes: &[u8], budget: usize) -> Result<usize, LineTooLong> {
        let mut frames = FRAMES.take();
        let mut consumed = 0;
        let mut result = Ok(());
        while consumed < bytes.len() {
            let (most, wait) = match &mut self.collector {
                Some(collector) => (1, collector.wait_mut()),
                None => (1 + budget / ENVELOPE_OVERHEAD_BYTES, self.claim.parts().1),
            };
            match &mut self.framer {
                Framer::Binary { offset } => {
                    frames.push(chunk_frame(offset, Bytes::copy_from_slice(&bytes[consumed..])));
                    consumed = bytes.len();
                }
                Framer::Line(framer) => match framer.push(&bytes[consumed..], wait, most, &mut frames) {
                    Ok(pushed) => consumed += pushed,
                    Err(too_long) => result = Err(too_long),
                },
            }
            let collecting = self.collector.is_some();
            self.deliver(&mut frames);
            if result.is_err() || !collecting {
                break;
            }
            // The exchange is over with these bytes, and the holder's pattern has not seen the rest of them yet.
            if self.collector.is_none() && consumed == bytes.len() {
                self.look_at_rest();
            }
        }
        FRAMES.set(frames);
        result.map(|()| consumed)
    }

    fn deliver(&mut self, frames: &mut Vec<Frame>) {
        let Some(collector) = &mut self.collector else {
            self.to_holder(frames.drain(..));
            return;
        };
        let mut strays = Vec::new();
        let mut complete = false;
        for frame in frames.drain(..) {
            match collector.take(frame) {
                Took::Complete => complete = true,
                Took::CompleteWith(stray) => {
                    complete = true;
                    strays.push(stray);
                }
                Took::Stray(stray) => strays.push(stray),
            }
        }
        // Not part of an answer any more where it goes on without its caller.
        let before = if complete || !strays.is_empty() { collector.take_before() } else { Vec::new() };
        if complete {
            self.collector = None;
        }
        self.to_holder(before.into_iter());
        self.to_holder(strays.into_iter());
    }

    fn to_holder(&self, frames: impl ExactSizeIterator<Item = Frame>) {
        if frames.len() == 0 {
            return;
        }
        let time = SystemTime::now();
        self.claim.lane().push_data(frames.map(|frame| Envelope {
            time,
            session: Some(self.id.clone()),
            listener: None,
            body: Body::Data(frame),
            dropped_before: 0,
        }));
    }

    /// Moves the data claim: what was collected for another holder goes to it first. True: to another.
    pub(super) fn move_claim(&mut self, to: ClaimMove) -> bool {
        if self.collector.is_none() && self.claim.changes_holder(&to) {
            self.flush_collected();
        }
        self.claim.apply(&self.id, to)
    }

    fn flush_collected(&mut self) {
        if let Framer::Line(framer) = &mut self.framer {
            let flushed = framer.flush_collected();
            self.to_holder(flushed.into_iter());
        }
    }

    /// Looks at the unfinished rest with the pattern now in force. For callers that wait for what the peer says by itself; one that
    /// has just sent something wants only what comes after.
    pub(super) fn look_at_rest(&mut self) {
        let wait = match &mut self.collector {
            Some(collector) => collector.wait_mut(),
            None => self.claim.parts().1,
        };
        if let (Framer::Line(framer), Some(wait)) = (&mut self.framer, wait) {
            let mut frames = FRAMES.take();
            // Nothing is added, so no line can be too long.
            let _ = framer.push(&[], Some(wait), 1, &mut frames);
            self.deliver(&mut frames);
            FRAMES.set(frames);
        }
    }

    /// An exchange begins. With `fresh` its answer is what comes from now on: everything before, an unfinished rest included, goes
    /// to the holder of the data claim, or an old prompt would be taken for the answer.
    pub(super) fn start_collecting(&mut self, mut collector: Collector, fresh: bool) {
        if !fresh && self.begins_with_undelivered(&mut collector) {
            return;
        }
        match self.finished {
            Some(CloseReason::PeerClosed) => return collector.peer_closed(None, self.read_offset()),
            Some(reason) => {
                collector.fail(self.ended(reason));
                return self.give_back(&mut collector);
            }
            None => {}
        }
        if fresh {
            self.frame_carry();
        }
        match &mut self.framer {
            Framer::Line(framer) if fresh && self.too_long.is_none() => {
                let before = framer.finish();
                self.to_holder(before.into_iter());
            }
            _ => self.flush_collected(),
        }
        self.collector = Some(collector);
    }

    /// A caller that waits for what the peer says by itself means what it has said already as well, as long as nobody has been
    /// given it: a greeting mostly comes before anybody can ask for it. True: that completes the exchange.
    fn begins_with_undelivered(&self, collector: &mut Collector) -> bool {
        let undelivered = self.claim.lane().take_back();
        let plain = |envelope: &Envelope| match &envelope.body {
            Body::Data(frame) => matches!(frame.content, Content::Line(_) | Content::Chunk(_)),
            _ => false,
        };
        if !undelivered.iter().all(plain) {
            // The holder has a pattern of its own: these are its answers.
            self.claim.lane().push_data(undelivered.into_iter());
            return false;
        }
        let frames = undelivered.into_iter().filter_map(|envelope| match envelope.body {
            Body::Data(frame) => Some(frame),
            _ => None,
        });
        let left = collector.begin_with(frames.collect());
        let complete = left.is_some();
        self.to_holder(left.unwrap_or_default().into_iter());
        complete
    }

    /// The exchange has no answer: what it began with goes to the holder, before anything else does.
    fn give_back(&self, collector: &mut Collector) {
        self.to_holder(collector.take_before().into_iter());
    }

    /// The exchange's caller has left; the collector settles. False: it is over already.
    pub(super) fn leave(&mut self, id: u64, now: Instant) -> bool {
        match &mut self.collector {
            Some(collector) if collector.id == id => {
                collector.start_settling(now);
                let before = collector.take_before();
                self.to_holder(before.into_iter());
                true
            }
            _ => false,
        }
    }

    /// The settle time may be over.
    pub(super) fn expire_settling(&mut self, now: Instant) {
        let until = self.collector.as_ref().and_then(Collector::settle_until);
        if until.is_some_and(|until| now >= until) {
            self.flush_collected();
            self.collector = None;
        }
    }

    /// The session, or the peer's side of it, ends: everything held is delivered.
    pub(super) fn finish(&mut self, reason: CloseReason) {
        self.finished.get_or_insert(reason);
        self.frame_carry();
        let held = match &mut self.framer {
            Framer::Binary { .. } => None,
            Framer::Line(framer) => framer.finish(),
        };
        let read_offset = self.read_offset();
        match self.collector.take() {
            Some(mut exchange) if !exchange.is_settling() && reason == CloseReason::PeerClosed => {
                exchange.peer_closed(held, read_offset);
            }
            Some(mut exchange) => {
                exchange.fail(self.ended(reason));
                self.give_back(&mut exchange);
                self.to_holder(held.into_iter());
            }
            None => self.to_holder(held.into_iter()),
        }
    }

    fn read_offset(&self) -> u64 {
        match &self.framer {
            Framer::Binary { offset } => *offset,
            Framer::Line(framer) => framer.offset(),
        }
    }

    fn ended(&self, reason: CloseReason) -> Error {
        Error::new(Reason::SessionEnded, "the session, or the peer's side of it, ended before the answer was complete")
            .with("sessionId", &self.id)
            .with("closeReason", reason.as_str())
    }

    /// The exchange in progress cannot be answered.
    pub(super) fn fail_exchange(&mut self, error: &Error) {
        if let Some(mut exchange) = self.collector.take() {
            exchange.fail(error.clone());
            self.give_back(&mut exchange);
        }
    }
}

fn chunk_frame(offset: &mut u64, bytes: Bytes) -> Frame {
    let start = *offset;
    *offset += bytes.len() as u64;
    Frame { offset: start, next_offset: *offset, content: Content::Chunk(bytes) }
}
