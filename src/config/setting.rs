//! What one setting is: its key, its meaning, and what values it may have. It holds no table.

use std::time::Duration;

use crate::limits::fixed;

/// What the names of all environment variables begin with.
pub const ENVIRONMENT_PREFIX: &str = "SOCKET_GATEWAY_";

/// No count or size may be larger: far above any use, and low enough that sums and semaphores cannot overflow.
pub(super) const MOST: i64 = 1 << 40;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its place in the file: `table.key`.
    pub key: &'static str,
    /// What it is for.
    pub meaning: &'static str,
    /// Whether a reload changes it; otherwise it needs a restart.
    pub live: bool,
    pub(super) rule: Rule,
}

/// What values a setting may have, besides what its type allows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// Any of its type.
    Free,
    /// An address with its port.
    Address,
    /// An address with its port, or "off".
    AddressOrOff,
    /// True or false.
    Flag,
    /// A URL with scheme and host, or "off".
    UrlOrOff,
    /// From 0 to 1.
    Ratio,
    /// Directives for what is logged.
    Filter,
    /// A count or a size.
    Number { zero: bool, most: i64 },
    /// A time with its unit.
    Time { zero: bool, most: Duration },
}

impl Setting {
    /// The environment variable that sets it.
    pub fn environment(&self) -> String {
        format!("{ENVIRONMENT_PREFIX}{}", self.key.replace('.', "_").to_uppercase())
    }

    pub(super) const fn or_zero(mut self) -> Self {
        self.rule = match self.rule {
            Rule::Number { most, .. } => Rule::Number { zero: true, most },
            Rule::Time { most, .. } => Rule::Time { zero: true, most },
            other => other,
        };
        self
    }

    pub(super) const fn at_most(mut self, longest: Duration) -> Self {
        if let Rule::Time { zero, .. } = self.rule {
            self.rule = Rule::Time { zero, most: longest };
        }
        self
    }

    /// It is used once, at start.
    pub(super) const fn at_start(mut self) -> Self {
        self.live = false;
        self
    }

    pub(super) const fn up_to(mut self, most: i64) -> Self {
        if let Rule::Number { zero, .. } = self.rule {
            self.rule = Rule::Number { zero, most };
        }
        self
    }

    /// The system takes these as a C int.
    pub(super) const fn fits_the_system(self) -> Self {
        self.up_to(i32::MAX as i64)
    }
}

pub(super) const fn plain(key: &'static str, rule: Rule, meaning: &'static str) -> Setting {
    Setting { key, meaning, live: true, rule }
}

pub(super) const fn number(key: &'static str, meaning: &'static str) -> Setting {
    plain(key, Rule::Number { zero: false, most: MOST }, meaning)
}

/// What one identity may use.
pub(super) const fn quota(key: &'static str, meaning: &'static str) -> Setting {
    number(key, meaning).or_zero()
}

pub(super) const fn time(key: &'static str, meaning: &'static str) -> Setting {
    plain(key, Rule::Time { zero: false, most: fixed::SESSION_TIMEOUT }, meaning)
}
