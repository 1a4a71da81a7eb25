//! Checks of single fields. Every fault is collected, so that a caller learns of all of them at once.

use std::time::Duration;

use crate::{
    error::{Error, Reason, Violation},
    limits::fixed,
};

/// The faults of one request found so far.
#[derive(Default)]
pub(super) struct Faults(Vec<Violation>);

impl Faults {
    pub(super) fn add(&mut self, field: &str, description: impl Into<String>) {
        self.0.push(Violation { field: field.to_owned(), description: description.into() });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fails with all of them, if there are any.
    pub(super) fn check(self, reason: Reason) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::invalid(reason, self.0)) }
    }

    pub(super) fn host(&mut self, field: &str, host: &str) {
        match host.len() {
            0 => self.add(field, "is required: a name or an address, for example \"192.0.2.7\""),
            1..=fixed::HOST_BYTES => {}
            _ => self.add(field, format!("is longer than {} bytes", fixed::HOST_BYTES)),
        }
    }

    /// A port; 0 only where `any` (the system picks one).
    pub(super) fn port(&mut self, field: &str, port: u32, any: bool) -> u16 {
        match u16::try_from(port) {
            Ok(0) if !any => self.add(field, "is required: 1 to 65535"),
            Ok(port) => return port,
            Err(_) => self.add(field, format!("{port} is no port: {} to 65535", u8::from(!any))),
        }
        0
    }

    /// An optional name: an id, a subscriber, a request id.
    pub(super) fn name(&mut self, field: &str, name: &str) {
        if name.len() > fixed::NAME_BYTES {
            self.add(field, format!("is longer than {} bytes", fixed::NAME_BYTES));
        } else if name.chars().any(char::is_control) {
            self.add(field, "has control characters");
        }
    }

    /// A duration up to `most`; None where absent.
    pub(super) fn duration(
        &mut self,
        field: &str,
        duration: Option<&prost_types::Duration>,
        most: Duration,
    ) -> Option<Duration> {
        match span(duration?) {
            Some(duration) if duration <= most => return Some(duration),
            Some(_) => self.add(field, format!("is longer than {}", humantime::format_duration(most))),
            None => self.add(field, "is negative or out of range: give seconds, for example \"10s\""),
        }
        None
    }

    /// An enum's value; `None` and a fault where this gateway does not know it.
    pub(super) fn known<E: TryFrom<i32>>(&mut self, field: &str, value: i32) -> Option<E> {
        let known = E::try_from(value).ok();
        if known.is_none() {
            self.add(field, format!("{value} is not a value of this enum"));
        }
        known
    }
}

/// Whether this can be the name of a subscriber, or empty.
pub(super) fn is_name(name: &str) -> bool {
    let mut faults = Faults::default();
    faults.name("", name);
    faults.is_empty()
}

/// A duration as its definition allows it. prost's own conversion overflows on the most negative ones.
fn span(duration: &prost_types::Duration) -> Option<Duration> {
    let (seconds, nanos) = (u64::try_from(duration.seconds).ok()?, u32::try_from(duration.nanos).ok()?);
    (nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos))
}
