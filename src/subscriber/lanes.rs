//! The lanes of a backlog: one queue pair per session, served round robin, with a credit each.
//!
//! A lane keeps its events and its data apart, each envelope stamped with its place, so that a stream that wants only one output
//! does not wait behind the other while a stream that wants both gets them in order. An envelope holds its lane's credit from push
//! until it is released: passed by every stream, or acked.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::SystemTime,
};

use slab::Slab;
use tokio::sync::Notify;

use super::{
    brakes::Brakes,
    filter::{Filter, LaneKey},
    lane_state::{Class, LaneState},
    queue::pop,
};
use crate::{envelope::Envelope, limits::Limits, metrics::Metrics};

/// What one lane may deliver before the next one's turn, in cost bytes.
const QUANTUM: usize = 16 * 1024;

/// An envelope that left its lane and still holds credit.
pub(super) struct Popped {
    pub lane: usize,
    pub class: Class,
    pub cost: usize,
    stamp: u64,
    pub envelope: Envelope,
}

/// All lanes of a backlog.
pub(super) struct Lanes {
    limits: Arc<Limits>,
    metrics: Arc<Metrics>,
    pub brakes: Brakes,
    pub slab: Slab<(LaneKey, LaneState)>,
    pub by_key: HashMap<LaneKey, usize>,
    ready: VecDeque<usize>,
    quantum_left: usize,
    demand: Vec<Filter>,
    /// Unreleased data bytes of all lanes.
    pub bytes: usize,
    /// Unreleased envelopes of all lanes.
    pub outstanding: usize,
    /// Unreleased lifecycle events.
    pub events: usize,
    reports: usize,
    /// Lanes whose session must not read.
    pub paused: usize,
    /// Datagrams and reports dropped so far.
    pub dropped: u64,
}

impl Lanes {
    pub(super) fn new(limits: Arc<Limits>, metrics: Arc<Metrics>, brakes: Brakes) -> Self {
        Self {
            limits,
            metrics,
            brakes,
            slab: Slab::new(),
            by_key: HashMap::new(),
            ready: VecDeque::new(),
            quantum_left: QUANTUM,
            demand: Vec::new(),
            bytes: 0,
            outstanding: 0,
            events: 0,
            reports: 0,
            paused: 0,
            dropped: 0,
        }
    }

    pub(super) fn limit(&mut self, limits: &Arc<Limits>) {
        self.limits = Arc::clone(limits);
        self.signal_paused();
    }

    pub(super) fn open(&mut self, key: LaneKey) -> usize {
        if let Some(&index) = self.by_key.get(&key) {
            self.slab[index].1.handles += 1;
            return index;
        }
        let (wants_events, wants_data) = self.wanted(&key);
        let lane = LaneState { handles: 1, wants_events, wants_data, ..LaneState::default() };
        let index = self.slab.insert((key.clone(), lane));
        self.by_key.insert(key, index);
        index
    }

    /// How many lanes there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Undelivered reports.
    #[cfg(test)]
    pub(super) fn reports(&self) -> usize {
        self.reports
    }

    pub(super) fn close(&mut self, index: usize) {
        let lane = &mut self.slab[index].1;
        lane.handles -= 1;
        if lane.handles == 0 {
            self.stop_waiting(index);
        }
        self.remove_if_done(index);
    }

    fn remove_if_done(&mut self, index: usize) {
        let (key, lane) = &self.slab[index];
        // Nobody keeps the control lane open, and the next report still has to say what is missing.
        let tells = *key == LaneKey::Control && lane.missing_reports > 0;
        if lane.handles == 0 && lane.outstanding == 0 && !lane.in_ready && !tells {
            let (key, _) = self.slab.remove(index);
            self.by_key.remove(&key);
        }
    }

    /// What the attached streams want, taken together, decides what leaves the lanes.
    pub(super) fn set_demand(&mut self, demand: Vec<Filter>) {
        self.demand = demand;
        self.ready.clear();
        self.quantum_left = QUANTUM;
        let indexes: Vec<usize> = self.slab.iter().map(|(index, _)| index).collect();
        for index in indexes {
            let wanted = self.wanted(&self.slab[index].0);
            let lane = &mut self.slab[index].1;
            (lane.wants_events, lane.wants_data) = wanted;
            lane.in_ready = lane.has_wanted();
            if lane.in_ready {
                self.ready.push_back(index);
            } else {
                self.remove_if_done(index);
            }
        }
    }

    fn wanted(&self, key: &LaneKey) -> (bool, bool) {
        let takers = || self.demand.iter().filter(|filter| filter.takes_id(key.id()));
        (takers().any(|filter| filter.events), takers().any(|filter| filter.data))
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn push(&mut self, index: usize, class: Class, mut envelope: Envelope) {
        let cost = envelope.cost();
        let lane = &mut self.slab[index].1;
        lane.stamp += 1;
        lane.outstanding += 1;
        self.outstanding += 1;
        match class {
            Class::Data => {
                envelope.dropped_before += std::mem::take(&mut lane.missing_data);
                lane.bytes += cost;
                self.bytes += cost;
                lane.data.push_back((lane.stamp, envelope));
            }
            Class::Event | Class::Report => {
                envelope.dropped_before += std::mem::take(&mut lane.missing_reports);
                *(if class == Class::Event { &mut self.events } else { &mut self.reports }) += 1;
                lane.events.push_back((lane.stamp, class, envelope));
            }
        }
        if !lane.in_ready && lane.has_wanted() {
            lane.in_ready = true;
            self.ready.push_back(index);
        }
    }

    /// Adds a datagram; the oldest waiting ones of the lane make room. Returns how many went, not counting those that it says were
    /// dropped before it.
    pub(super) fn push_datagram(&mut self, index: usize, envelope: Envelope) -> u64 {
        let cost = envelope.cost();
        let mut dropped = 0;
        if envelope.dropped_before > 0 {
            self.dropped += envelope.dropped_before;
            self.metrics.delivery.dropped_by_kernel.add(envelope.dropped_before);
        }
        let mut one_goes = self.brakes.are_on() && !self.slab[index].1.data.is_empty();
        while std::mem::take(&mut one_goes)
            || self.slab[index].1.bytes + cost > self.limits.session_backlog_bytes
            || self.bytes + cost > self.limits.subscriber_backlog_bytes
        {
            let lane = &mut self.slab[index].1;
            dropped += 1;
            let Some((_, oldest)) = pop(&mut lane.data) else {
                lane.missing_data += 1 + envelope.dropped_before;
                return self.note_dropped(dropped);
            };
            match lane.data.front_mut() {
                Some((_, next)) => next.dropped_before += 1 + oldest.dropped_before,
                None => lane.missing_data += 1 + oldest.dropped_before,
            }
            self.release(index, Class::Data, oldest.cost());
        }
        self.push(index, Class::Data, envelope);
        self.note_dropped(dropped)
    }

    fn note_dropped(&mut self, datagrams: u64) -> u64 {
        if datagrams > 0 {
            self.dropped += datagrams;
            self.metrics.delivery.dropped_by_backlog.add(datagrams);
        }
        datagrams
    }

    /// Takes back the data that has not left the lane.
    pub(super) fn take_back(&mut self, index: usize) -> Vec<Envelope> {
        let data = std::mem::take(&mut self.slab[index].1.data);
        data.into_iter()
            .map(|(_, envelope)| {
                self.release(index, Class::Data, envelope.cost());
                envelope
            })
            .collect()
    }

    pub(super) fn push_report(&mut self, index: usize, envelope: Envelope) {
        if self.reports < self.limits.subscriber_reports {
            self.push(index, Class::Report, envelope);
        } else {
            self.slab[index].1.missing_reports += 1;
            self.dropped += 1;
            self.metrics.delivery.reports_dropped.increment();
        }
    }

    pub(super) fn count_refused(&mut self, index: usize, datagrams: u64) {
        self.slab[index].1.missing_data += datagrams;
        self.dropped += datagrams;
        self.metrics.delivery.dropped_by_quota.add(datagrams);
    }

    /// How much the lane's session may read now; where nothing, `notify` is kept and signalled later. A paused lane starts again
    /// only at half, so that it does not trickle.
    pub(super) fn read_budget(&mut self, index: usize, notify: &Arc<Notify>) -> usize {
        let full = self.bytes >= self.limits.subscriber_backlog_bytes || self.brakes.are_on();
        let lane = &mut self.slab[index].1;
        let share = self.limits.session_backlog_bytes;
        let room = match (lane.bytes, full) {
            (0, true) => self.limits.full_backlog_read_bytes,
            (_, true) => 0,
            (held, false) if lane.paused.is_some() && held > share / 2 => 0,
            (held, false) => share.saturating_sub(held),
        };
        let was_paused = if room > 0 { lane.paused.take() } else { lane.paused.replace(Arc::clone(notify)) }.is_some();
        self.paused = self.paused + usize::from(room == 0) - usize::from(was_paused);
        if room == 0 && !was_paused {
            self.metrics.delivery.read_pauses.increment();
        }
        room
    }

    pub(super) fn is_paused(&self, index: usize) -> bool {
        self.slab[index].1.paused.is_some()
    }

    /// Its session does not wait for this lane's credit any more.
    pub(super) fn stop_waiting(&mut self, index: usize) {
        if self.slab[index].1.paused.take().is_some() {
            self.paused -= 1;
        }
    }

    pub(super) fn pop(&mut self) -> Option<Popped> {
        loop {
            let index = *self.ready.front()?;
            let lane = &mut self.slab[index].1;
            let popped = lane.pop_wanted();
            let more = lane.has_wanted();
            let cost = popped.as_ref().map_or(0, |(.., envelope)| envelope.cost());
            self.quantum_left = self.quantum_left.saturating_sub(cost);
            if !more || self.quantum_left == 0 {
                self.quantum_left = QUANTUM;
                self.ready.pop_front();
                lane.in_ready = more;
                if more {
                    self.ready.push_back(index);
                }
            }
            match popped {
                Some((stamp, class, envelope)) => return Some(Popped { lane: index, class, cost, stamp, envelope }),
                None => self.remove_if_done(index),
            }
        }
    }

    /// Takes an envelope back that left but was taken by nobody. It never gave its credit back.
    pub(super) fn put_back(&mut self, popped: &Popped) {
        let lane = &mut self.slab[popped.lane].1;
        match popped.class {
            Class::Data => lane.data.push_front((popped.stamp, popped.envelope.clone())),
            class => lane.events.push_front((popped.stamp, class, popped.envelope.clone())),
        }
        if !lane.in_ready && lane.has_wanted() {
            lane.in_ready = true;
            self.ready.push_back(popped.lane);
        }
    }

    /// Gives an envelope's credit back.
    pub(super) fn release(&mut self, index: usize, class: Class, cost: usize) {
        let lane = &mut self.slab[index].1;
        lane.outstanding -= 1;
        self.outstanding -= 1;
        match class {
            Class::Event => self.events -= 1,
            Class::Report => self.reports -= 1,
            Class::Data => {
                let was_above_half = self.bytes > self.limits.subscriber_backlog_bytes / 2;
                lane.bytes -= cost;
                self.bytes -= cost;
                let below_half = self.bytes <= self.limits.subscriber_backlog_bytes / 2;
                let has_room = lane.bytes == 0 || (below_half && lane.bytes <= self.limits.session_backlog_bytes / 2);
                if has_room && let Some(notify) = &lane.paused {
                    notify.notify_one();
                }
                if was_above_half && below_half {
                    self.signal_paused();
                }
            }
        }
        self.remove_if_done(index);
    }

    pub(super) fn signal_paused(&self) {
        if self.paused > 0 {
            for (_, (_, lane)) in &self.slab {
                if let Some(notify) = &lane.paused {
                    notify.notify_one();
                }
            }
        }
    }

    /// When the oldest envelope that waits in a lane or for its ack was emitted.
    pub(super) fn oldest(&self) -> Option<SystemTime> {
        let of_lane = |lane: &LaneState| {
            let event = lane.events.front().map(|(.., envelope)| envelope.time);
            let data = lane.data.front().map(|(_, envelope)| envelope.time);
            let unacked = lane.unacked.front().map(|(.., envelope)| envelope.time);
            event.into_iter().chain(data).chain(unacked).min()
        };
        self.slab.iter().filter_map(|(_, (_, lane))| of_lane(lane)).min()
    }
}
