//! The policy's rules: `[[policy.dial]]` and `[[policy.bind]]`. What is declared has to be allowed by them, too.

use std::{collections::HashMap, sync::Arc};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

use super::{
    Config,
    declarations::{Declared, TCP_CONNECT, TCP_LISTEN, UDP_IN},
    document::{Document, kind, whole_number},
    fault::{Fault, Origin, did_you_mean},
    fields::{Fields, each_table},
};
use crate::{
    identity::Role,
    limits::fixed,
    net::{local::is_local, resolve::literal},
    policy::{
        Action, Bind, BindRule, Dial, DialRule, HostPattern, InForce, Policy, Ports, Profile, Protocol, Verdict, Whom,
        canonical_name, parse_cidr,
    },
};

/// The lists of the file, by their whole names.
pub(super) const LISTS: [&str; 2] = [DIAL, BIND];
const DIAL: &str = "policy.dial";
const BIND: &str = "policy.bind";

const ACTIONS: [(&str, i32); 2] = [("allow", 1), ("deny", 2)];
const TLS: [(&str, i32); 2] = [("any", 1), ("required", 2)];

/// The scalar part of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyConfig {
    /// Which profile follows the rules.
    pub profile: ProfileChoice,
}

/// A profile, or the one that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProfileChoice {
    /// `dev` where the gateway listens on loopback and nobody has to say who they are, `internet` elsewhere.
    Auto,
    /// See [`Profile::Dev`].
    Dev,
    /// See [`Profile::Lan`].
    Lan,
    /// See [`Profile::Internet`].
    Internet,
}

/// The rules, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Of what goes out.
    pub dial: Vec<DialRule>,
    /// Of what is bound and joined.
    pub bind: Vec<BindRule>,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self { profile: ProfileChoice::Auto }
    }
}

impl Config {
    /// The policy: the rules of the file, and the profile.
    pub fn policy(&self) -> Policy {
        let profile = match self.policy.profile {
            ProfileChoice::Auto if self.is_personal() => Profile::Dev,
            ProfileChoice::Dev => Profile::Dev,
            ProfileChoice::Lan => Profile::Lan,
            ProfileChoice::Auto | ProfileChoice::Internet => Profile::Internet,
        };
        Policy::new(profile, self.rules.dial.clone(), self.rules.bind.clone())
    }

    /// The policy as it will be in force, with the gateway's own ports where the configuration says which.
    pub fn policy_in_force(&self) -> InForce {
        let in_force = InForce::new(self.policy(), is_local);
        let own = [Some(self.listen), self.admin.listen, self.health.listen]
            .into_iter()
            .flatten()
            .map(|address| address.port());
        own.filter(|port| *port != 0).for_each(|port| in_force.add_own_port(port));
        in_force
    }

    /// Whether the gateway is its owner's alone: whoever calls is on this machine, and nobody is told apart.
    fn is_personal(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback() && !self.has_identity()
    }
}

/// Reads the rules of a file.
pub(super) fn read(document: &Document, table: &DeTable<'_>, faults: &mut Vec<Fault>) -> Rules {
    // What else is wrong with it is told where settings are read.
    let Some(policy) = table.get("policy").and_then(|policy| policy.get_ref().as_table()) else {
        return Rules::default();
    };
    let mut names = HashMap::new();
    let mut dial = Vec::new();
    each_table(document, policy, "dial", DIAL, faults, |fields, at| dial.push(dial_rule(fields, at, &mut names)));
    let mut bind = Vec::new();
    each_table(document, policy, "bind", BIND, faults, |fields, at| bind.push(bind_rule(fields, at, &mut names)));
    for (list, rules, rule) in [(DIAL, dial.len(), "dial"), (BIND, bind.len(), "bind")] {
        if rules > fixed::POLICY_RULES {
            let origin = policy
                .get_key_value(rule)
                .map_or_else(|| document.origin(&(0..0)), |(key, _)| document.origin(&key.span()));
            let message = format!("{list}: {rules} rules are more than {}", fixed::POLICY_RULES);
            faults.push(Fault { origin, message });
        }
    }
    Rules { dial, bind }
}

fn dial_rule(fields: &mut Fields<'_>, at: usize, names: &mut HashMap<String, Origin>) -> DialRule {
    let rule = DialRule {
        name: name(fields, DIAL, at, names),
        action: action(fields),
        whom: whom(fields),
        hosts: each(fields, "hosts", "host names", HostPattern::parse),
        cidrs: each(fields, "cidrs", "addresses", parse_cidr),
        ports: ports(fields),
        protocols: protocols(fields),
        tls_required: fields.choice("tls", &TLS) == 2,
        broadcast: fields.flag("broadcast").unwrap_or_default(),
    };
    if rule.tls_required && rule.action == Action::Deny {
        fields.fault("tls", "is for rules that allow: it says how");
    }
    if rule.broadcast && rule.action == Action::Deny {
        fields.fault("broadcast", "is for rules that allow: one that denies is about broadcasts anyway");
    } else if rule.broadcast && !rule.cidrs.iter().any(|net| net.prefix_len() > 0) {
        fields.fault("broadcast", "needs cidrs: name the broadcast addresses, like [\"192.168.1.255\"]");
    } else if rule.broadcast && rule.protocols == [Protocol::Tcp] {
        fields.fault("broadcast", "is for datagrams, and the rule is about tcp");
    }
    rule
}

fn bind_rule(fields: &mut Fields<'_>, at: usize, names: &mut HashMap<String, Origin>) -> BindRule {
    let rule = BindRule {
        name: name(fields, BIND, at, names),
        action: action(fields),
        whom: whom(fields),
        cidrs: each(fields, "cidrs", "addresses", parse_cidr),
        groups: each(fields, "groups", "multicast addresses", group),
        ports: ports(fields),
        protocols: protocols(fields),
    };
    if !rule.groups.is_empty() && !rule.cidrs.is_empty() {
        fields.fault("groups", "are joined, cidrs are bound: make two rules of this one");
    } else if !rule.groups.is_empty() && rule.protocols == [Protocol::Tcp] {
        fields.fault("groups", "are for datagrams, and the rule is about tcp");
    }
    rule
}

fn group(text: &str) -> Result<IpNet, String> {
    let net = parse_cidr(text)?;
    let all_groups = net.network().is_multicast() && net.broadcast().is_multicast();
    if all_groups { Ok(net) } else { Err(format!("\"{text}\" is not within 224.0.0.0/4 or ff00::/8")) }
}

/// What callers and logs are told; by default its place in the list, counted from 0.
fn name(fields: &mut Fields<'_>, list: &str, at: usize, names: &mut HashMap<String, Origin>) -> Arc<str> {
    let given = fields.text("name");
    if given.is_empty() {
        return format!("{list}[{at}]").into();
    }
    if given.len() > fixed::NAME_BYTES || given.chars().any(char::is_control) {
        fields.fault("name", format_args!("must have at most {} bytes and no control characters", fixed::NAME_BYTES));
    } else if given.starts_with("profile.") || given.starts_with("policy.") {
        fields.fault("name", format_args!("\"{given}\" looks like one that is given by the gateway itself"));
    } else if let Some(other) = names.get(&given) {
        fields.fault("name", format_args!("\"{given}\" is the name of the rule of {other} already"));
    } else {
        names.insert(given.clone(), fields.start().clone());
    }
    given.into()
}

fn action(fields: &mut Fields<'_>) -> Action {
    match fields.choice("action", &ACTIONS) {
        1 => Action::Allow,
        2 => Action::Deny,
        _ => {
            if fields.is_good("action") {
                fields.fault("action", "is required: \"allow\" or \"deny\"");
            }
            Action::Deny
        }
    }
}

fn whom(fields: &mut Fields<'_>) -> Whom {
    let plain = |text: &str| match text.is_empty() || text.chars().any(char::is_control) {
        true => Err("must not be empty, nor have control characters".to_owned()),
        false => Ok(text.to_owned()),
    };
    let identity = |text: &str| match text.strip_suffix('*').unwrap_or(text).contains('*') {
        true => Err(format!("\"{text}\" has a * in the wrong place: only one at the end stands for anything")),
        false => plain(text),
    };
    let role = |text: &str| {
        Role::named(text).ok_or_else(|| {
            let known = Role::ALL.map(Role::as_str);
            format!("\"{text}\" must be one of {}{}", known.join(", "), did_you_mean(text, known))
        })
    };
    Whom {
        identities: each(fields, "identities", "identities", identity),
        // The empty one is where everybody is on a gateway without identities.
        namespaces: each(fields, "namespaces", "namespaces", |text| {
            if text.is_empty() { Ok(String::new()) } else { plain(text) }
        }),
        roles: each(fields, "roles", "roles", role),
    }
}

fn protocols(fields: &mut Fields<'_>) -> Vec<Protocol> {
    each(fields, "protocols", "protocols", |text| {
        Protocol::named(text).ok_or_else(|| format!("\"{text}\" must be \"tcp\" or \"udp\""))
    })
}

fn ports(fields: &mut Fields<'_>) -> Vec<Ports> {
    entries(fields, "ports", |value| match value {
        DeValue::Integer(_) => whole_number(value)
            .and_then(|port| u16::try_from(port).ok())
            .map(Ports::one)
            .ok_or_else(|| "is no port: 0 to 65535".to_owned()),
        _ => match value.as_str() {
            Some(text) => text.parse(),
            None => Err(format!("must be a port or a range like \"8000-8999\", not {}", kind(value))),
        },
    })
}

fn each<T>(
    fields: &mut Fields<'_>,
    field: &'static str,
    what: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    entries(fields, field, |value| match value.as_str() {
        Some(text) => read(text),
        None => Err(format!("must be {what} as text, not {}", kind(value))),
    })
}

/// A condition. One that is empty would hold always, which nobody means who writes it down.
fn entries<T>(
    fields: &mut Fields<'_>,
    field: &'static str,
    read: impl Fn(&DeValue<'_>) -> Result<T, String>,
) -> Vec<T> {
    let Some(found) = fields.list(field, read) else { return Vec::new() };
    if found.is_empty() && fields.is_good(field) {
        fields.fault(field, "is empty: leave it out where any will do");
    } else if found.len() > fixed::POLICY_RULE_ENTRIES {
        fields.fault(field, format_args!("has more than {} entries", fixed::POLICY_RULE_ENTRIES));
    }
    found
}

/// What is declared is opened for its owner, and under the policy as if the owner had called. What can be told before anything is
/// opened or resolved is told here.
pub(super) fn check_declared(config: &Config, faults: &mut Vec<Fault>) {
    let policy = config.policy_in_force();
    let declared = &config.declarations;
    for Declared { spec, owner, origin, .. } in &declared.tcp_listen {
        let bind = Bind { protocol: Protocol::Tcp, address: spec.address.ip(), port: spec.address.port() };
        let what = format!("binding tcp {}", spec.address);
        // On the gRPC port it clashes, which is told as such.
        if spec.address.port() == 0 || spec.address.port() != config.listen.port() {
            refused(TCP_LISTEN, &what, &policy.bind(owner, &bind), origin, faults);
        }
    }
    for Declared { spec, owner, origin, .. } in &declared.udp_in {
        let bind = Bind { protocol: Protocol::Udp, address: spec.address.ip(), port: spec.address.port() };
        let what = format!("binding udp {}", spec.address);
        refused(UDP_IN, &what, &policy.bind(owner, &bind), origin, faults);
        for group in &spec.groups {
            let verdict = policy.join(owner, group.group, spec.address.port());
            refused(UDP_IN, &format!("joining the group {}", group.group), &verdict, origin, faults);
        }
    }
    for Declared { spec, owner, origin, .. } in &declared.tcp_connect {
        let address = literal(&spec.host, spec.port);
        let name = matches!(address, Ok(None)).then(|| canonical_name(&spec.host));
        let dial =
            Dial { protocol: Protocol::Tcp, name: name.as_deref(), port: spec.port, tls: false, broadcast: false };
        let verdict = match address {
            Ok(Some(address)) => Some(policy.dial(owner, &dial, address)),
            _ => policy.dial_name(owner, &dial),
        };
        let what = format!("tcp to {} port {}", spec.host, spec.port);
        if let Some(verdict) = verdict {
            refused(TCP_CONNECT, &what, &verdict, origin, faults);
        }
    }
}

fn refused(kind_of: &str, what: &str, verdict: &Verdict, origin: &Origin, faults: &mut Vec<Fault>) {
    if !verdict.allowed {
        faults.push(Fault { origin: origin.clone(), message: format!("{kind_of}: {}", verdict.refusal(what)) });
    }
}
