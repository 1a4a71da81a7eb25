//! The numbered log of a backlog: what has left the lanes, until every stream has passed it and, for resuming, a while longer.

use std::collections::VecDeque;

use super::{
    lanes::{Lanes, Popped},
    queue::pop,
};
use crate::envelope::Envelope;

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// No stream has taken it yet.
    Waiting,
    /// At least one stream has taken it.
    Taken,
    /// The stream that was to take it has gone: it is in its lane again, and its number stays empty.
    Returned,
}

pub(super) struct Entry {
    popped: Popped,
    /// The lane keeps it until it is acked.
    held: bool,
    pub fate: Fate,
}

impl Entry {
    pub(super) fn envelope(&self) -> &Envelope {
        &self.popped.envelope
    }

    pub(super) fn cost(&self) -> usize {
        self.popped.cost
    }
}

pub(super) struct Log {
    /// Entry i has sequence `first + i`.
    entries: VecDeque<Entry>,
    first: u64,
    /// All before this sequence are passed by every stream.
    passed: u64,
    retained_bytes: usize,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { entries: VecDeque::new(), first: 1, passed: 1, retained_bytes: 0 }
    }

    /// The oldest sequence that is still there.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The sequence the next entry will have.
    pub(super) fn next_sequence(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    pub(super) fn get(&self, sequence: u64) -> Option<&Entry> {
        let at = sequence.checked_sub(self.first)?;
        self.entries.get(at as usize)
    }

    pub(super) fn get_mut(&mut self, sequence: u64) -> Option<&mut Entry> {
        let at = sequence.checked_sub(self.first)?;
        self.entries.get_mut(at as usize)
    }

    /// Moves one envelope from the lanes to the log; false where there is none.
    pub(super) fn pull(&mut self, lanes: &mut Lanes, acknowledged: bool) -> bool {
        let Some(popped) = lanes.pop() else { return false };
        if acknowledged {
            lanes.hold(&popped, self.next_sequence());
        }
        self.entries.push_back(Entry { popped, held: acknowledged, fate: Fate::Waiting });
        true
    }

    /// The oldest entry that not every stream has passed.
    pub(super) fn oldest(&self) -> Option<&Envelope> {
        self.get(self.passed).filter(|entry| entry.fate != Fate::Returned).map(Entry::envelope)
    }

    /// The first sequence before `end` that no stream has taken and this one would.
    pub(super) fn first_waiting(&self, end: u64, takes: impl Fn(&Envelope) -> bool) -> Option<u64> {
        (self.passed..end).find(|sequence| {
            let entry = self.get(*sequence);
            entry.is_some_and(|entry| entry.fate == Fate::Waiting && takes(entry.envelope()))
        })
    }

    /// Gives what no stream has taken and none is about to take back to the lanes.
    pub(super) fn return_unwanted(&mut self, lanes: &mut Lanes, wanted: impl Fn(&Envelope) -> bool) {
        // Backwards, because each goes to the front of its lane.
        for at in (self.passed - self.first..self.entries.len() as u64).rev() {
            let entry = &mut self.entries[at as usize];
            if entry.fate == Fate::Waiting && !entry.held && !wanted(entry.envelope()) {
                entry.fate = Fate::Returned;
                lanes.put_back(&entry.popped);
                entry.popped.cost = 0;
            }
        }
    }

    /// Returns the credit of everything before `slowest`, and keeps it within `retain` bytes.
    pub(super) fn pass(&mut self, slowest: u64, retain: usize, lanes: &mut Lanes) {
        while self.passed < slowest {
            let entry = &self.entries[(self.passed - self.first) as usize];
            self.retained_bytes += entry.cost();
            if !entry.held && entry.fate != Fate::Returned {
                lanes.release(entry.popped.lane, entry.popped.class, entry.popped.cost);
            }
            self.passed += 1;
        }
        // A stream that resumed far back reads retained entries: those stay until it has passed them.
        while self.retained_bytes > retain && self.first < self.passed.min(slowest) {
            if let Some(entry) = pop(&mut self.entries) {
                self.retained_bytes -= entry.cost();
                self.first += 1;
            }
        }
    }
}
