//! What lanes are known by, what streams choose from them, and what clients ack.

use std::{collections::HashSet, sync::Arc};

use crate::envelope::{Envelope, ListenerId, Output, SessionId};

/// What a lane belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LaneKey {
    /// Envelopes that concern neither a session nor a listener.
    Control,
    /// A session's.
    Session(SessionId),
    /// A listener's.
    Listener(ListenerId),
}

impl LaneKey {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Control => "",
            Self::Session(id) => id.as_str(),
            Self::Listener(id) => id.as_str(),
        }
    }

    fn of(envelope: &Envelope) -> &str {
        match (&envelope.session, &envelope.listener) {
            (Some(id), _) => id.as_str(),
            (None, Some(id)) => id.as_str(),
            (None, None) => "",
        }
    }
}

/// What a stream wants.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The events output.
    pub events: bool,
    /// The data output.
    pub data: bool,
    /// Only these sessions and listeners.
    pub ids: Option<Arc<HashSet<String>>>,
}

impl Filter {
    /// Everything.
    pub const ALL: Self = Self { events: true, data: true, ids: None };

    pub(super) fn takes_id(&self, id: &str) -> bool {
        self.ids.as_ref().is_none_or(|ids| ids.contains(id))
    }

    pub(super) fn takes(&self, envelope: &Envelope) -> bool {
        let output = match envelope.output() {
            Output::Events => self.events,
            Output::Data => self.data,
        };
        output && self.takes_id(LaneKey::of(envelope))
    }
}

/// Envelopes a client has for good.
#[derive(Clone, Debug, Default)]
pub struct Ack {
    /// All up to this sequence.
    pub all: u64,
    /// Those of single sessions or listeners (by id; empty: neither), up to a sequence each.
    pub lanes: Vec<(String, u64)>,
}
