//! One lane of a backlog: what waits in it, and what it holds.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::Notify;

use super::queue::pop;
use crate::envelope::Envelope;

/// How an envelope is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Data,
    Event,
    Report,
}

#[derive(Default)]
pub(super) struct LaneState {
    pub events: VecDeque<(u64, Class, Envelope)>,
    pub data: VecDeque<(u64, Envelope)>,
    pub stamp: u64,
    /// Unreleased data bytes.
    pub bytes: usize,
    /// Unreleased envelopes.
    pub outstanding: usize,
    pub handles: usize,
    /// Set while the session must not read; signalled when it may again.
    pub paused: Option<Arc<Notify>>,
    pub in_ready: bool,
    pub wants_events: bool,
    pub wants_data: bool,
    pub missing_data: u64,
    pub missing_reports: u64,
    /// Handed out, not acked: sequence, class, cost, envelope.
    pub unacked: VecDeque<(u64, Class, usize, Envelope)>,
}

impl LaneState {
    pub(super) fn has_wanted(&self) -> bool {
        (self.wants_events && !self.events.is_empty()) || (self.wants_data && !self.data.is_empty())
    }

    pub(super) fn pop_wanted(&mut self) -> Option<(u64, Class, Envelope)> {
        let event = self.events.front().filter(|_| self.wants_events).map(|(stamp, ..)| *stamp);
        let data = self.data.front().filter(|_| self.wants_data).map(|(stamp, ..)| *stamp);
        match (event, data) {
            (Some(event), Some(data)) if event < data => pop(&mut self.events),
            (_, Some(_)) => pop(&mut self.data).map(|(stamp, envelope)| (stamp, Class::Data, envelope)),
            (Some(_), None) => pop(&mut self.events),
            (None, None) => None,
        }
    }
}
