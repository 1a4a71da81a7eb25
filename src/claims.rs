//! Who gets what of a session.
//!
//! The lifecycle claim (session -> opener) is a lane that a session holds for life. The data claim is what this room describes: who
//! gets the inbound data, with which pattern, and how often that has moved. It lives inside its session, under the session's own
//! lock, so that a move and the framing of bytes never interleave; there is exactly one holder at any time by construction.

use std::sync::Arc;

use crate::{
    envelope::SessionId,
    framing::{WaitFor, WaitState},
    subscriber::{Lane, LaneKey, Subscriber},
};

/// What a claim's pattern becomes when the claim moves.
#[derive(Clone, Debug)]
pub enum WaitChange {
    /// The pattern of the claim before goes on.
    Inherit,
    /// No pattern.
    Clear,
    /// This one.
    Set(WaitFor),
}

/// A move of the data claim that is about to happen.
#[derive(Clone)]
pub struct ClaimMove {
    /// The new holder.
    pub subscriber: Arc<Subscriber>,
    /// The pattern.
    pub wait: WaitChange,
}

/// A pattern and how far it has looked into the unfinished rest.
pub struct Wait {
    /// The pattern.
    pub pattern: WaitFor,
    /// Its progress.
    pub state: WaitState,
}

impl From<WaitFor> for Wait {
    fn from(pattern: WaitFor) -> Self {
        Self { state: pattern.new_state(), pattern }
    }
}

/// The data claim of one session.
pub struct DataClaim {
    lane: Lane,
    wait: Option<Wait>,
    generation: u64,
}

impl DataClaim {
    /// The opener's claim.
    pub fn new(lane: Lane, wait_for: Option<WaitFor>) -> Self {
        Self { lane, wait: wait_for.map(Wait::from), generation: 0 }
    }

    /// Where the data goes.
    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Who holds it.
    pub fn holder(&self) -> &Arc<Subscriber> {
        self.lane.subscriber()
    }

    /// The pattern in force.
    pub fn wait(&self) -> Option<&Wait> {
        self.wait.as_ref()
    }

    /// The lane and the pattern, to frame with the one and deliver to the other.
    pub fn parts(&mut self) -> (&Lane, Option<&mut WaitState>) {
        (&self.lane, self.wait.as_mut().map(|wait| &mut wait.state))
    }

    /// How often it has moved to another holder.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether a move would take it to another holder: then what was collected for this one is flushed to it first.
    pub fn changes_holder(&self, to: &ClaimMove) -> bool {
        !Arc::ptr_eq(self.holder(), &to.subscriber)
    }

    /// Moves it. True: to another holder.
    pub fn apply(&mut self, session: &SessionId, to: ClaimMove) -> bool {
        let changes = self.changes_holder(&to);
        if changes {
            self.generation += 1;
            // Where the holder before is the opener too, its lane lives on.
            self.lane.stop_waiting();
            self.lane = to.subscriber.lane(LaneKey::Session(session.clone()));
        }
        match to.wait {
            WaitChange::Inherit => {}
            WaitChange::Clear => self.wait = None,
            WaitChange::Set(pattern) => self.wait = Some(Wait::from(pattern)),
        }
        changes
    }
}
