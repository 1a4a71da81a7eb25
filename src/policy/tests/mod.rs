//! The policy by itself. What becomes of it at real sockets is shown by `tests/it/policy`.

mod bits;
mod evaluation;

use std::{net::IpAddr, sync::Arc};

use super::{Action, Bind, BindRule, Dial, DialRule, HostPattern, Policy, Profile, Protocol, Whom, parse_cidr};
use crate::identity::{Caller, Role};

fn somebody() -> Caller {
    Caller { identity: "somebody".into(), namespace: "somewhere".into(), role: Role::User }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is no address"))
}

fn tcp(port: u16) -> Dial<'static> {
    Dial { protocol: Protocol::Tcp, name: None, port, tls: false, broadcast: false }
}

fn udp(port: u16) -> Dial<'static> {
    Dial { protocol: Protocol::Udp, ..tcp(port) }
}

fn rule(name: &str, action: Action) -> DialRule {
    DialRule {
        name: name.into(),
        action,
        whom: Whom::default(),
        hosts: Vec::new(),
        cidrs: Vec::new(),
        ports: Vec::new(),
        protocols: Vec::new(),
        tls_required: false,
        broadcast: false,
    }
}

impl DialRule {
    fn to(mut self, cidrs: &[&str]) -> Self {
        self.cidrs = cidrs.iter().map(|cidr| parse_cidr(cidr).expect("a block")).collect();
        self
    }

    fn named(mut self, hosts: &[&str]) -> Self {
        self.hosts = hosts.iter().map(|host| HostPattern::parse(host).expect("a pattern")).collect();
        self
    }

    fn at(mut self, ports: &[&str]) -> Self {
        self.ports = ports.iter().map(|ports| ports.parse().expect("ports")).collect();
        self
    }
}

fn bind_rule(name: &str, action: Action) -> BindRule {
    BindRule {
        name: Arc::from(name),
        action,
        whom: Whom::default(),
        cidrs: Vec::new(),
        groups: Vec::new(),
        ports: Vec::new(),
        protocols: Vec::new(),
    }
}

fn bind(address: &str, port: u16) -> Bind {
    Bind { protocol: Protocol::Tcp, address: ip(address), port }
}

/// "yes" or "no", and the rule.
fn dialled(policy: &Policy, dial: &Dial<'_>, address: &str) -> String {
    told(&policy.dial(&somebody(), dial, ip(address)))
}

fn told(verdict: &super::Verdict) -> String {
    format!("{} {}", if verdict.allowed { "yes" } else { "no" }, verdict.rule)
}

fn profile(profile: Profile) -> Policy {
    Policy::new(profile, Vec::new(), Vec::new())
}
