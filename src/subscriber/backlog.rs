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
    time::SystemTime,
};

use slab::Slab;
use tokio::{sync::Notify, time::Instant};

use super::{
    Gap, SubscriberView, Wakes,
    brakes::Brakes,
    filter::{Ack, Filter, LaneKey},
    lane_state::Class,
    lanes::Lanes,
    log::{Entry, Fate, Log},
};
use crate::{
    envelope::Envelope,
    error::{Error, Reason, Violation},
    limits::Limits,
    metrics::Metrics,
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

struct StreamState {
    filter: Filter,
    /// Unacked envelopes to deliver again before the log.
    replay: VecDeque<(u64, Envelope)>,
    /// The next sequence to read from the log.
    cursor: u64,
    /// Before this sequence it takes only what no stream has taken.
    fresh: u64,
    waker: Option<Waker>,
    /// Since when the sweep has seen it take nothing while the backlog was full. Not since it last took something: it may have
    /// been idle for long when the backlog fills in a moment.
    stalled_since: Option<Instant>,
    /// Why it ends, and whether what is in the backlog goes out first.
    ended: Option<(Error, bool)>,
}

impl StreamState {
    /// Whether it is to be given an entry of the log.
    fn takes(&self, sequence: u64, entry: &Entry) -> bool {
        let due = match entry.fate {
            Fate::Waiting => true,
            Fate::Taken => sequence >= self.fresh,
            Fate::Returned => false,
        };
        due && self.filter.takes(entry.envelope())
    }

    /// Whether it still reads: one that was cut off holds nothing any more.
    fn is_live(&self) -> bool {
        !matches!(self.ended, Some((_, false)))
    }
}

pub(super) struct Backlog {
    limits: Arc<Limits>,
    pub lanes: Lanes,
    log: Log,
    streams: Slab<StreamState>,
    last_detached: Instant,
    acknowledged: bool,
}

impl Backlog {
    pub(super) fn new(limits: Arc<Limits>, metrics: Arc<Metrics>, brakes: Brakes, now: Instant) -> Self {
        Self {
            lanes: Lanes::new(Arc::clone(&limits), metrics, brakes),
            limits,
            log: Log::new(),
            streams: Slab::new(),
            last_detached: now,
            acknowledged: false,
        }
    }

    /// Puts it under other limits; sessions that wait for credit look again.
    pub(super) fn limit(&mut self, limits: &Arc<Limits>) {
        self.limits = Arc::clone(limits);
        self.lanes.limit(limits);
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

    pub(super) fn take_back(&mut self, lane: usize) -> Vec<Envelope> {
        self.lanes.take_back(lane)
    }

    pub(super) fn push_datagram(&mut self, lane: usize, envelope: Envelope) -> u64 {
        self.lanes.push_datagram(lane, envelope)
    }

    pub(super) fn count_refused(&mut self, lane: usize, datagrams: u64) {
        self.lanes.count_refused(lane, datagrams);
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
        let live = self.streams.iter().any(|(_, stream)| stream.is_live());
        if live { Ok(()) } else { Err(self.last_detached) }
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
        if self.streams.iter().filter(|(_, stream)| stream.is_live()).count() >= self.limits.streams_per_subscriber {
            return Err(Error::limit(
                "streams_per_subscriber",
                self.limits.streams_per_subscriber,
                "this subscriber has as many streams as it may; end one, or use another subscriber name",
            ));
        }
        if let Some(resume) = resume {
            self.check_resume(epoch, resume)?;
        }
        let next = self.log.next_sequence();
        let after = resume.map(|resume| resume.after_sequence);
        let mut replay = VecDeque::new();
        let (fresh, gap) = if acknowledged {
            // Who has everything up to there has no more reason to ack it: its acks may have been lost with the stream, and the
            // credit they held would never come back.
            self.lanes.ack(&Ack { all: after.unwrap_or(0), lanes: Vec::new() });
            replay = self.lanes.unacked_after(0);
            (next, None)
        } else {
            let (wanted, first) = (after.map_or(next, |after| after + 1), self.log.first());
            let gap = (wanted < first).then(|| Gap { first: wanted, last: first - 1 });
            (wanted.max(first), gap)
        };
        let waiting = self.log.first_waiting(fresh, |envelope| !acknowledged && filter.takes(envelope));
        let cursor = waiting.unwrap_or(fresh);
        let start = replay.front().map_or(cursor, |(sequence, _)| *sequence);
        self.acknowledged |= acknowledged;
        // A plain stream that goes back reads from what is retained; that part holds no credit any more.
        let index = self.streams.insert(StreamState {
            filter,
            replay,
            cursor,
            fresh,
            waker: None,
            stalled_since: None,
            ended: None,
        });
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
        let next = self.log.next_sequence();
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
        self.return_unwanted();
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
            if stream.cursor >= self.log.next_sequence() && !self.log.pull(&mut self.lanes, self.acknowledged) {
                break;
            }
            let sequence = stream.cursor;
            let Some(entry) = self.log.get_mut(sequence) else { break };
            if stream.takes(sequence, entry) {
                entry.fate = Fate::Taken;
                bytes += entry.cost();
                out.push((sequence, entry.envelope().clone()));
            }
            stream.cursor += 1;
        }
        self.release_passed();
        let last_sequence = self.log.next_sequence() - 1;
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

    /// Lets every stream pass what it does not take: it may not be polled for long, and must not hold the credit of others.
    fn pass_unwanted(&mut self) {
        for (_, stream) in &mut self.streams {
            while self.log.get(stream.cursor).is_some_and(|entry| !stream.takes(stream.cursor, entry)) {
                stream.cursor += 1;
            }
        }
    }

    /// A stream has gone before it took what others left to it: that waits in the lanes for the next one.
    fn return_unwanted(&mut self) {
        let live = || self.streams.iter().filter(|(_, stream)| stream.is_live());
        let wanted = |envelope: &Envelope| live().any(|(_, stream)| stream.filter.takes(envelope));
        self.log.return_unwanted(&mut self.lanes, wanted);
    }

    /// Returns the credit of what every stream has passed, and keeps it for resuming within bounds.
    fn release_passed(&mut self) {
        self.pass_unwanted();
        let live = self.streams.iter().filter(|(_, stream)| stream.is_live());
        let slowest = live.map(|(_, stream)| stream.cursor).min().unwrap_or(u64::MAX).min(self.log.next_sequence());
        let retain = if self.acknowledged { 0 } else { self.limits.subscriber_retained_bytes };
        self.log.pass(slowest, retain, &mut self.lanes);
    }

    fn renew_demand(&mut self) {
        let live = self.streams.iter().filter(|(_, stream)| stream.is_live());
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
        let next = self.log.next_sequence();
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
            self.last_detached = now;
            self.renew_demand();
            self.return_unwanted();
            self.release_passed();
        }
        (ended, wakes)
    }

    pub(super) fn oldest(&self) -> Option<SystemTime> {
        self.lanes.oldest().into_iter().chain(self.log.oldest().map(|envelope| envelope.time)).min()
    }

    /// What must be nothing when everything is delivered and closed: lanes, bytes, envelopes, events, reports, paused.
    #[cfg(test)]
    pub(super) fn counters(&self) -> [usize; 6] {
        let lanes = &self.lanes;
        [lanes.len(), lanes.bytes, lanes.outstanding, lanes.events, lanes.reports(), lanes.paused]
    }

    pub(super) fn view(&self, name: Arc<str>, epoch: Arc<str>) -> SubscriberView {
        SubscriberView {
            name,
            epoch,
            next_sequence: self.log.next_sequence(),
            // One that was ended is there until its client has read that it was.
            streams: self.streams.iter().filter(|(_, stream)| stream.is_live()).count(),
            backlog_bytes: self.lanes.bytes,
            backlog_envelopes: self.lanes.outstanding,
            paused_sessions: self.lanes.paused,
            dropped: self.lanes.dropped,
            acknowledged: self.acknowledged,
        }
    }
}
