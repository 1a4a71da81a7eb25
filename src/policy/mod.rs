//! Who may dial and bind what. Pure: addresses and names in, verdicts out; resolving, sockets and the telling of denials are for
//! others. `docs/policy.md` tells all of this to operators.
//!
//! A policy is a profile and, before it, rules of one's own. An address is judged after the name is resolved, in every form it has
//! (`forms`), and each form has to be allowed. For one form:
//!
//! 1. The gateway's own ports on addresses of this host, names of metadata services, and groups and broadcasts over TCP are denied
//!    whatever the rules say.
//! 2. The first of one's own rules whose conditions all hold decides. A rule that allows must also *name* the address (by a prefix
//!    that, for protected classes, lies in their block) to be the last word; else the profile is asked as well. One that allows by
//!    host name alone lets the later rules that deny addresses speak, too: a name says nothing about where it leads.
//! 3. Where none decides, the profile does, by the address's class.

mod class;
mod forms;
mod host;
mod in_force;
mod profile;
mod rule;
#[cfg(test)]
mod tests;

use std::{fmt, net::IpAddr, sync::Arc};

use crate::identity::Caller;

pub use self::{
    class::{Class, Classified, classify},
    forms::{canonical, forms},
    host::{HostPattern, canonical_name},
    in_force::InForce,
    profile::Profile,
    rule::{Action, BindRule, DialRule, Ports, Whom, parse_cidr},
};

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// What is to be dialled, or sent a datagram.
#[derive(Clone, Copy, Debug)]
pub struct Dial<'a> {
    /// How.
    pub protocol: Protocol,
    /// The name that was resolved, in canonical form; None where the caller gave an address.
    pub name: Option<&'a str>,
    /// The port.
    pub port: u16,
    /// It goes over TLS.
    pub tls: bool,
    /// It is sent as a broadcast.
    pub broadcast: bool,
}

/// What is to be bound.
#[derive(Clone, Copy, Debug)]
pub struct Bind {
    /// How.
    pub protocol: Protocol,
    /// The local address.
    pub address: IpAddr,
    /// The port; 0 lets the system pick one.
    pub port: u16,
}

/// What decided, by the name that callers and logs are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleName {
    /// A rule of the configuration.
    Own(Arc<str>),
    /// A rule of a profile.
    Profile(Profile, &'static str),
    /// What no configuration changes.
    Fixed(&'static str),
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Yes or no.
    pub allowed: bool,
    /// Why.
    pub rule: RuleName,
    /// It would be allowed over TLS.
    pub tls_missing: bool,
}

/// A whole policy. Made once and never changed; another replaces it.
#[derive(Debug, PartialEq)]
pub struct Policy {
    /// What is allowed and denied by class.
    pub profile: Profile,
    dial: Vec<DialRule>,
    bind: Vec<BindRule>,
}

const METADATA_NAMES: RuleName = RuleName::Fixed("metadata-names");
const OWN_PORTS: RuleName = RuleName::Fixed("own-ports");
const ONE_PEER_ONLY: RuleName = RuleName::Fixed("tcp-unicast-only");

impl Policy {
    /// A policy of these rules, in their order, and this profile.
    pub fn new(profile: Profile, dial: Vec<DialRule>, bind: Vec<BindRule>) -> Self {
        Self { profile, dial, bind }
    }

    /// What can be said of a name before it is resolved: a denial where no address could be allowed. It keeps names that lead
    /// nowhere from being looked up, which tells them to whoever runs their zone.
    pub fn dial_name(&self, caller: &Caller, dial: &Dial<'_>) -> Option<Verdict> {
        let name = dial.name?;
        if host::is_metadata_name(name) {
            return Some(Verdict::denied(METADATA_NAMES));
        }
        let covers = |rule: &&DialRule| rule.may_cover(caller, dial.protocol, Some(name), dial.port);
        for rule in self.dial.iter().filter(covers) {
            match rule.action {
                Action::Allow => return None,
                Action::Deny if rule.cidrs.is_empty() => return Some(Verdict::denied(RuleName::own(&rule.name))),
                Action::Deny => {}
            }
        }
        None
    }

    /// Whether an address may be dialled: all its forms have to be allowed.
    pub fn dial(&self, caller: &Caller, dial: &Dial<'_>, address: IpAddr) -> Verdict {
        if let Some(name) = dial.name
            && host::is_metadata_name(name)
        {
            return Verdict::denied(METADATA_NAMES);
        }
        let mut verdicts = forms(address).map(|form| self.dial_form(caller, dial, form));
        let first = verdicts.next().expect("an address has itself as a form");
        if !first.allowed {
            return first;
        }
        verdicts.find(|verdict| !verdict.allowed).unwrap_or(first)
    }

    fn dial_form(&self, caller: &Caller, dial: &Dial<'_>, form: IpAddr) -> Verdict {
        let block = classify(form);
        if dial.protocol == Protocol::Tcp && matches!(block.class, Class::Multicast | Class::Broadcast) {
            return Verdict::denied(ONE_PEER_ONLY);
        }
        let mut by_name = None;
        for rule in self.dial.iter().filter(|rule| rule.covers(caller, dial, form)) {
            if by_name.is_some() {
                if rule.action == Action::Deny && rule.is_about(form) {
                    return Verdict::denied(RuleName::own(&rule.name));
                }
                continue;
            }
            match rule.action {
                Action::Deny => return Verdict::denied(RuleName::own(&rule.name)),
                Action::Allow if rule.tls_required && !dial.tls => {
                    return Verdict { tls_missing: true, ..Verdict::denied(RuleName::own(&rule.name)) };
                }
                Action::Allow if rule.names(form, block) => return Verdict::allowed(RuleName::own(&rule.name)),
                Action::Allow => {
                    by_name = Some(rule);
                    if rule.hosts.is_empty() {
                        break;
                    }
                }
            }
        }
        let verdict = self.profile.dial(dial, block.class);
        match by_name {
            Some(rule) if verdict.allowed => Verdict::allowed(RuleName::own(&rule.name)),
            _ => verdict,
        }
    }

    /// Whether an address may be bound.
    pub fn bind(&self, caller: &Caller, bind: &Bind) -> Verdict {
        match self.bind.iter().find(|rule| rule.covers_bind(caller, bind)) {
            Some(rule) => Verdict::by(rule.action, &rule.name),
            None => self.profile.bind(bind),
        }
    }

    /// Whether a group may be joined, on a socket of this port.
    pub fn join(&self, caller: &Caller, group: IpAddr, port: u16) -> Verdict {
        match self.bind.iter().find(|rule| rule.covers_join(caller, group, port)) {
            Some(rule) => Verdict::by(rule.action, &rule.name),
            None => self.profile.join(),
        }
    }
}

impl Verdict {
    /// A denial as a sentence for whoever asked: the rule, and what was asked for ("tcp to db.example.com port 5432").
    pub fn refusal(&self, what: &str) -> String {
        let rule = &self.rule;
        match rule {
            _ if self.tls_missing => format!("the rule \"{rule}\" allows {what} over TLS only, and this is not"),
            RuleName::Own(_) => format!("the rule \"{rule}\" denies {what}"),
            RuleName::Profile(..) => {
                format!("{what} is denied by {rule}; a rule of the gateway's configuration can allow it")
            }
            RuleName::Fixed(_) => format!("{what} is always denied ({rule})"),
        }
    }

    fn allowed(rule: RuleName) -> Self {
        Self { allowed: true, rule, tls_missing: false }
    }

    fn denied(rule: RuleName) -> Self {
        Self { allowed: false, rule, tls_missing: false }
    }

    fn by(action: Action, name: &Arc<str>) -> Self {
        Self { allowed: action == Action::Allow, rule: RuleName::own(name), tls_missing: false }
    }
}

impl RuleName {
    fn own(name: &Arc<str>) -> Self {
        Self::Own(Arc::clone(name))
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(name) => f.write_str(name),
            Self::Profile(profile, what) => write!(f, "profile.{}.{what}", profile.as_str()),
            Self::Fixed(name) => f.write_str(name),
        }
    }
}

impl Protocol {
    /// Its name in rules and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// The protocol of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Tcp, Self::Udp].into_iter().find(|protocol| protocol.as_str() == name)
    }
}
