//! What was handed out in acknowledged mode, until it is acked: its lane keeps it, and its credit.

use std::collections::VecDeque;

use super::{
    filter::{Ack, LaneKey},
    lanes::{Lanes, Popped},
    queue::pop,
};
use crate::envelope::{Envelope, ListenerId, SessionId};

impl Lanes {
    /// Keeps an envelope that was handed out until it is acked.
    pub(super) fn hold(&mut self, popped: &Popped, sequence: u64) {
        self.slab[popped.lane].1.unacked.push_back((sequence, popped.class, popped.cost, popped.envelope.clone()));
    }

    /// Unacked envelopes after a sequence, in order.
    pub(super) fn unacked_after(&self, sequence: u64) -> VecDeque<(u64, Envelope)> {
        let mut all: Vec<(u64, Envelope)> = self
            .slab
            .iter()
            .flat_map(|(_, (_, lane))| lane.unacked.iter())
            .filter(|(held, ..)| *held > sequence)
            .map(|(held, _, _, envelope)| (*held, envelope.clone()))
            .collect();
        all.sort_unstable_by_key(|(held, _)| *held);
        all.into()
    }

    pub(super) fn ack(&mut self, ack: &Ack) {
        if ack.all > 0 {
            let indexes: Vec<usize> = self.slab.iter().map(|(index, _)| index).collect();
            for index in indexes {
                self.ack_lane(index, ack.all);
            }
        }
        for (id, sequence) in &ack.lanes {
            let keys = match id.as_str() {
                "" => [LaneKey::Control, LaneKey::Control],
                id => [LaneKey::Session(SessionId::new(id)), LaneKey::Listener(ListenerId::new(id))],
            };
            for key in keys {
                if let Some(&index) = self.by_key.get(&key) {
                    self.ack_lane(index, *sequence);
                }
            }
        }
    }

    fn ack_lane(&mut self, index: usize, sequence: u64) {
        while let Some(&(held, class, cost, _)) = self.slab.get(index).and_then(|(_, lane)| lane.unacked.front()) {
            if held > sequence {
                break;
            }
            pop(&mut self.slab[index].1.unacked);
            self.release(index, class, cost);
        }
    }
}
