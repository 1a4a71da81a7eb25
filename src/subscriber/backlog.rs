//! A subscriber's backlog: lanes on the one side, a numbered log and the attached streams on the other.
//!
//! Envelopes wait in their lanes until a stream asks for more; only then is one taken, round robin, given its sequence number and
//! put into the log, from which every stream reads at its own pace. The slowest stream holds the credit. What every stream has
//! passed is kept for resuming, up to `limits.subscriber_retained_bytes`. In acknowledged mode credit is held until the ack, and
//! what is unacked is kept by the lanes.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Waker},
};

use slab::Slab;
use tokio::{sync::Notify, time::Instant};

use super::{
    Gap, SubscriberView, Wakes,
    filter::{Ack, Filter, LaneKey},
    lanes::{Class, Lanes},
};
use crate::{
    envelope::Envelope,
    error::{Error, Reason, Violation},
    limits::Limits,
};

/// Where a broken stream stopped.
#[derive(Clone, Debug)]
pub struct ResumePoint {
    /// The epoch it was told.
    pub epoch: String,
    /// The last sequence it has.
    pub after_sequence: u64,
}

/// What a stream was given.
pub(super) enum Taken {
    Some,
    None { last_sequence: u64 },
    Ended(Error),
}

struct Entry {
    lane: usize,
    class: Class,
    cost: usize,
    /// The lane keeps it until it is acked.
    held: bool,
    envelope: Envelope,
}

struct StreamState {
    filter: Filter,
    /// Unacked envelopes to deliver again before the log.
    replay: VecDeque<(u64, Envelope)>,
    /// The next sequence to read from the log.
    cursor: u64,
    waker: Option<Waker>,
    /// Since when the sweep has seen it take nothing while the backlog was full. Not since it last took something: it may have
    /// been idle for long when the backlog fills in a moment.
    stalled_since: Option<Instant>,
    /// Why it ends, and whether what is in the backlog goes out first.
    ended: Option<(Error, bool)>,
}

pub(super) struct Backlog {
    limits: Arc<Limits>,
    lanes: Lanes,
    /// Entry i has sequence `first + i`.
    log: VecDeque<Entry>,
    first: u64,
    /// All before this sequence are passed by every stream.
    passed: u64,
    retained_bytes: usize,
    streams: Slab<StreamState>,
    last_detached: Instant,
    acknowledged: bool,
}

impl Backlog {
    pub(super) fn new(limits: Arc<Limits>, now: Instant) -> Self {
        Self {
            lanes: Lanes::new(Arc::clone(&limits)),
            limits,
            log: VecDeque::new(),
            first: 1,
            passed: 1,
            retained_bytes: 0,
            streams: Slab::new(),
            last_detached: now,
            acknowledged: false,
        }
    }

    pub(super) fn open_lane(&mut self, key: LaneKey) -> usize {
        self.lanes.open(key)
    }

    pub(super) fn close_lane(&mut self, index: usize) {
        self.lanes.close(index);
    }

    pub(super) fn push_data(&mut self, lane: usize, envelope: Envelope) {
        self.lanes.push(lane, Class::Data, envelope);
    }

    pub(super) fn push_event(&mut self, lane: usize, envelope: Envelope) {
        self.lanes.push(lane, Class::Event, envelope);
    }

    pub(super) fn push_report(&mut self, lane: usize, envelope: Envelope) {
        self.lanes.push_report(lane, envelope);
    }

    pub(super) fn push_datagram(&mut self, lane: usize, envelope: Envelope) -> u64 {
        self.lanes.push_datagram(lane, envelope)
    }

    pub(super) fn count_dropped(&mut self, lane: usize, datagrams: u64) {
        self.lanes.count_dropped(lane, datagrams);
    }

    pub(super) fn read_budget(&mut self, lane: usize, notify: &Arc<Notify>) -> usize {
        self.lanes.read_budget(lane, notify)
    }

    pub(super) fn is_paused(&self, lane: usize) -> bool {
        self.lanes.is_paused(lane)
    }

    pub(super) fn stop_waiting(&mut self, lane: usize) {
        self.lanes.stop_waiting(lane);
    }

    pub(super) fn events_full(&self) -> bool {
        self.lanes.events >= self.limits.subscriber_events
    }

    pub(super) fn attended(&self) -> Result<(), Instant> {
        if self.streams.is_empty() { Err(self.last_detached) } else { Ok(()) }
    }

    pub(super) fn wake_streams(&mut self) -> Wakes {
        let mut wakes = Wakes::default();
        for (_, stream) in &mut self.streams {
            if let Some(waker) = stream.waker.take() {
                wakes.add(waker);
            }
        }
        wakes
    }

    /// Attaches a stream: its index, the gap of its resume, the next sequence.
    pub(super) fn attach(
        &mut self,
        epoch: &str,
        filter: Filter,
        resume: Option<&ResumePoint>,
        acknowledged: bool,
    ) -> Result<(usize, Option<Gap>, u64), Error> {
        if self.streams.len() >= self.limits.streams_per_subscriber {
            return Err(Error::limit(
                "streams_per_subscriber",
                self.limits.streams_per_subscriber,
                "this subscriber has as many streams as it may; end one, or use another subscriber name",
            ));
        }
        if let Some(resume) = resume {
            self.check_resume(epoch, resume)?;
        }
        let next = self.next_sequence();
        let after = resume.map(|resume| resume.after_sequence);
        let mut replay = VecDeque::new();
        let (cursor, gap) = if acknowledged {
            replay = self.lanes.unacked_after(after.unwrap_or(0));
            (next, None)
        } else {
            let wanted = after.map_or(next, |after| after + 1);
            let gap = (wanted < self.first).then(|| Gap { first: wanted, last: self.first - 1 });
            (wanted.max(self.first), gap)
        };
        let start = replay.front().map_or(cursor, |(sequence, _)| *sequence);
        self.acknowledged |= acknowledged;
        // A plain stream that goes back reads from what is retained; that part holds no credit any more.
        let index =
            self.streams.insert(StreamState { filter, replay, cursor, waker: None, stalled_since: None, ended: None });
        self.renew_demand();
        Ok((index, gap, start))
    }

    fn check_resume(&self, epoch: &str, resume: &ResumePoint) -> Result<(), Error> {
        if resume.epoch != epoch {
            return Err(Error::new(
                Reason::EpochChanged,
                "this subscriber was removed while idle and made anew: what was not delivered is gone; subscribe without resume",
            )
            .with("epoch", epoch));
        }
        let next = self.next_sequence();
        if resume.after_sequence >= next {
            return Err(Error::invalid(
                Reason::RequestInvalid,
                vec![Violation {
                    field: "resume.after_sequence".into(),
                    description: format!("nothing after sequence {} was handed out yet", next - 1),
                }],
            ));
        }
        Ok(())
    }

    pub(super) fn detach(&mut self, index: usize, now: Instant) {
        self.streams.remove(index);
        if self.streams.is_empty() {
            self.last_detached = now;
        }
        self.renew_demand();
        self.release_passed();
    }

    /// Gives a stream what it can have now, up to one message's worth.
    pub(super) fn take(&mut self, index: usize, out: &mut Vec<(u64, Envelope)>, cx: &Context<'_>) -> Taken {
        if let Some((error, false)) = &self.streams[index].ended {
            return Taken::Ended(error.clone());
        }
        let mut bytes = 0;
        while out.len() < self.limits.batch_envelopes && bytes < self.limits.batch_bytes {
            let stream = &mut self.streams[index];
            if let Some(again) = stream.replay.pop_front() {
                bytes += again.1.cost();
                if stream.filter.takes(&again.1) {
                    out.push(again);
                }
                continue;
            }
            if stream.cursor >= self.first + self.log.len() as u64
                && !Self::pull(&mut self.lanes, &mut self.log, self.first, self.acknowledged)
            {
                break;
            }
            let entry = &self.log[(stream.cursor - self.first) as usize];
            if stream.filter.takes(&entry.envelope) {
                bytes += entry.cost;
                out.push((stream.cursor, entry.envelope.clone()));
            }
            stream.cursor += 1;
        }
        self.release_passed();
        let last_sequence = self.next_sequence() - 1;
        let stream = &mut self.streams[index];
        stream.stalled_since = None;
        if !out.is_empty() {
            return Taken::Some;
        }
        if let Some((error, _)) = &stream.ended {
            return Taken::Ended(error.clone());
        }
        match &mut stream.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Taken::None { last_sequence }
    }

    /// Moves one envelope from the lanes to the log.
    fn pull(lanes: &mut Lanes, log: &mut VecDeque<Entry>, first: u64, acknowledged: bool) -> bool {
        let Some(popped) = lanes.pop() else { return false };
        if acknowledged {
            lanes.hold(&popped, first + log.len() as u64);
        }
        log.push_back(Entry {
            lane: popped.lane,
            class: popped.class,
            cost: popped.cost,
            held: acknowledged,
            envelope: popped.envelope,
        });
        true
    }

    fn next_sequence(&self) -> u64 {
        self.first + self.log.len() as u64
    }

    /// Lets every stream pass what it does not take: it may not be polled for long, and must not hold the credit of others.
    fn pass_unwanted(&mut self) {
        for (_, stream) in &mut self.streams {
            let unwanted = |cursor: u64| {
                let entry = cursor.checked_sub(self.first).and_then(|at| self.log.get(at as usize));
                entry.is_some_and(|entry| !stream.filter.takes(&entry.envelope))
            };
            while unwanted(stream.cursor) {
                stream.cursor += 1;
            }
        }
    }

    /// Returns the credit of what every stream has passed, and keeps it for resuming within bounds.
    fn release_passed(&mut self) {
        self.pass_unwanted();
        let live = self.streams.iter().filter(|(_, stream)| !matches!(stream.ended, Some((_, false))));
        let slowest = live.map(|(_, stream)| stream.cursor).min().unwrap_or(u64::MAX).min(self.next_sequence());
        while self.passed < slowest {
            let entry = &self.log[(self.passed - self.first) as usize];
            self.retained_bytes += entry.cost;
            if !entry.held {
                self.lanes.release(entry.lane, entry.class, entry.cost);
            }
            self.passed += 1;
        }
        let retain = if self.acknowledged { 0 } else { self.limits.subscriber_retained_bytes };
        // A stream that resumed far back reads retained entries: those stay until it has passed them.
        while self.retained_bytes > retain && self.first < self.passed.min(slowest) {
            if let Some(entry) = self.log.pop_front() {
                self.retained_bytes -= entry.cost;
                self.first += 1;
            }
        }
    }

    fn renew_demand(&mut self) {
        let live = self.streams.iter().filter(|(_, stream)| !matches!(stream.ended, Some((_, false))));
        self.lanes.set_demand(live.map(|(_, stream)| stream.filter.clone()).collect());
    }

    pub(super) fn ack(&mut self, ack: &Ack) {
        self.lanes.ack(ack);
    }

    pub(super) fn end_streams(&mut self, error: &Error, after_backlog: bool) -> Wakes {
        for (_, stream) in &mut self.streams {
            stream.ended.get_or_insert_with(|| (error.clone(), after_backlog));
        }
        self.wake_streams()
    }

    pub(super) fn end_stalled(&mut self, now: Instant) -> (usize, Wakes) {
        let full =
            self.lanes.paused > 0 || self.lanes.bytes >= self.limits.subscriber_backlog_bytes || self.events_full();
        let mut wakes = Wakes::default();
        let mut ended = 0;
        let next = self.next_sequence();
        let more = self.lanes.has_ready();
        for (_, stream) in &mut self.streams {
            let behind = more || stream.cursor < next || !stream.replay.is_empty();
            if !full || !behind || stream.ended.is_some() {
                stream.stalled_since = None;
                continue;
            }
            let since = *stream.stalled_since.get_or_insert(now);
            if now.duration_since(since) >= self.limits.stall_timeout {
                let message = "this stream read nothing for the stall limit while the backlog was full; what waits is kept: \
                               subscribe again, with resume after the last sequence you have";
                stream.ended = Some((Error::new(Reason::StreamStalled, message), false));
                ended += 1;
                if let Some(waker) = stream.waker.take() {
                    wakes.add(waker);
                }
            }
        }
        if ended > 0 {
            self.renew_demand();
            self.release_passed();
        }
        (ended, wakes)
    }

    pub(super) fn view(&self, name: Arc<str>, epoch: Arc<str>) -> SubscriberView {
        SubscriberView {
            name,
            epoch,
            next_sequence: self.next_sequence(),
            streams: self.streams.len(),
            backlog_bytes: self.lanes.bytes,
            backlog_envelopes: self.lanes.outstanding,
            paused_sessions: self.lanes.paused,
            dropped: self.lanes.dropped,
            acknowledged: self.acknowledged,
        }
    }
}
