//! What keeps a backlog's sessions from being read although it has room itself.

use std::sync::Arc;

use crate::quota::{Pressure, Usage};

/// Two of them; none costs more than a look.
#[derive(Default)]
pub(super) struct Brakes {
    /// Too much of all subscribers.
    pub all: Arc<Pressure>,
    /// Too much of its owner's.
    pub own: Option<Arc<Usage>>,
}

impl Brakes {
    /// Whether nothing more should be read.
    pub(super) fn are_on(&self) -> bool {
        self.all.pauses() || self.own.as_ref().is_some_and(|usage| usage.backlog.is_too_much())
    }
}
