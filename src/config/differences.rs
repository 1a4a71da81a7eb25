//! What a configuration changes of another: which settings a reload puts into force, and which need a restart.

use std::fmt;

use toml::{Table, Value};

use super::{
    Config,
    declarations::{Declared, TCP_CONNECT, TCP_LISTEN, UDP_IN},
    layers::put,
    settings::{SETTINGS, values},
};

/// A setting that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Its key.
    pub key: &'static str,
    /// What it was.
    pub from: Value,
    /// What it is.
    pub to: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.key, self.from, self.to)
    }
}

impl Config {
    /// The live settings that differ from those in force.
    pub fn live_differences(&self, in_force: &Self) -> Vec<Difference> {
        self.differences(in_force, true)
    }

    /// What differs from what the gateway was started with, and can only be had by a restart: settings, and kinds of declarations.
    pub fn restart_differences(&self, started: &Self) -> Vec<String> {
        let (new, old) = (&self.declarations, &started.declarations);
        let declared = [
            (TCP_LISTEN, same(&new.tcp_listen, &old.tcp_listen)),
            (UDP_IN, same(&new.udp_in, &old.udp_in)),
            (TCP_CONNECT, same(&new.tcp_connect, &old.tcp_connect)),
        ];
        let declared = declared.into_iter().filter(|(_, same)| !same).map(|(kind, _)| format!("[[{kind}]]"));
        self.differences(started, false).iter().map(ToString::to_string).chain(declared).collect()
    }

    /// This configuration with the settings that are used at start as they were then.
    #[must_use]
    pub fn as_started(self, started: &Self) -> Self {
        let mut table = Table::try_from(&self).expect("a configuration is made of plain values");
        for Difference { key, from, .. } in self.differences(started, false) {
            put(&mut table, key, from);
        }
        let settled: Self = table.try_into().expect("both configurations were settled");
        Self {
            declarations: self.declarations,
            identities: self.identities,
            own_quotas: self.own_quotas,
            rules: self.rules,
            ..settled
        }
    }

    fn differences(&self, other: &Self, live: bool) -> Vec<Difference> {
        let (mut new, mut old) = (values(self), values(other));
        let settings = SETTINGS.iter().filter(|setting| setting.live == live);
        settings
            .filter_map(|setting| {
                let (from, to) = (old.remove(setting.key)?, new.remove(setting.key)?);
                (from != to).then_some(Difference { key: setting.key, from, to })
            })
            .collect()
    }
}

/// Whether the same is declared, wherever it stands in the file.
fn same<S: PartialEq>(a: &[Declared<S>], b: &[Declared<S>]) -> bool {
    a.iter().map(|declared| &declared.spec).eq(b.iter().map(|declared| &declared.spec))
}
