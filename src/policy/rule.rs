//! Rules: conditions, all of which have to hold, and what follows then. An empty condition holds always.

use std::{fmt, net::IpAddr, ops::RangeInclusive, str::FromStr, sync::Arc};

use ipnet::{IpNet, Ipv4Net};

use super::{Protocol, class::Classified, forms::canonical, host::HostPattern};
use crate::identity::{Caller, Role};

/// What a rule does with what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It may be.
    Allow,
    /// It may not.
    Deny,
}

/// Whom a rule is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Whom {
    /// Identities: exact, or all that begin with what stands before a `*` at the end.
    pub identities: Vec<String>,
    /// Namespaces, exact.
    pub namespaces: Vec<String>,
    /// Roles.
    pub roles: Vec<Role>,
}

impl Whom {
    fn covers(&self, caller: &Caller) -> bool {
        let identity = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => caller.identity.starts_with(start),
            None => **pattern == *caller.identity,
        };
        any(&self.identities, identity)
            && any(&self.namespaces, |namespace| **namespace == *caller.namespace)
            && any(&self.roles, |role| *role == caller.role)
    }
}

/// A rule about connections and datagrams going out.
#[derive(Clone, Debug, PartialEq)]
pub struct DialRule {
    /// What it is called.
    pub name: Arc<str>,
    /// What it does.
    pub action: Action,
    /// Whom it is about.
    pub whom: Whom,
    /// Names that callers gave.
    pub hosts: Vec<HostPattern>,
    /// Addresses.
    pub cidrs: Vec<IpNet>,
    /// Ports.
    pub ports: Vec<Ports>,
    /// Protocols.
    pub protocols: Vec<Protocol>,
    /// It allows only what goes over TLS.
    pub tls_required: bool,
    /// It allows datagrams sent as broadcasts.
    pub broadcast: bool,
}

/// A rule about sockets to bind and groups to join.
#[derive(Clone, Debug, PartialEq)]
pub struct BindRule {
    /// What it is called.
    pub name: Arc<str>,
    /// What it does.
    pub action: Action,
    /// Whom it is about.
    pub whom: Whom,
    /// Addresses to bind.
    pub cidrs: Vec<IpNet>,
    /// Groups to join. A rule with groups is about joining, any other about binding.
    pub groups: Vec<IpNet>,
    /// Ports to bind.
    pub ports: Vec<Ports>,
    /// Protocols.
    pub protocols: Vec<Protocol>,
}

/// A condition on one value: empty, or one of them holds.
fn any<T>(conditions: &[T], holds: impl FnMut(&T) -> bool) -> bool {
    conditions.is_empty() || conditions.iter().any(holds)
}

impl DialRule {
    /// Whether all conditions hold; `form` is the address judged, in canonical form.
    pub(super) fn covers(&self, caller: &Caller, dial: &super::Dial<'_>, form: IpAddr) -> bool {
        self.may_cover(caller, dial.protocol, dial.name, dial.port)
            && any(&self.cidrs, |net| net.contains(&form))
            && (self.action == Action::Deny || self.broadcast || !dial.broadcast)
    }

    /// Whether all conditions hold but those on the address.
    pub(super) fn may_cover(&self, caller: &Caller, protocol: Protocol, name: Option<&str>, port: u16) -> bool {
        any(&self.ports, |ports| ports.contains(port))
            && any(&self.protocols, |one| *one == protocol)
            && any(&self.hosts, |pattern| name.is_some_and(|name| pattern.matches(name)))
            && self.whom.covers(caller)
    }

    /// Whether an address is in one of its blocks, apart from the block of everything.
    pub(super) fn is_about(&self, form: IpAddr) -> bool {
        self.cidrs.iter().any(|net| net.prefix_len() > 0 && net.contains(&form))
    }

    /// Whether it names this very address, so that no more is to be asked. An address of a protected block is named only by a
    /// prefix that lies in the block: nobody who allows 0.0.0.0/1 thinks of 127.0.0.1's neighbours.
    pub(super) fn names(&self, form: IpAddr, block: Classified) -> bool {
        let least = if block.class.is_protected() { block.prefix_len } else { 1 };
        self.cidrs.iter().any(|net| net.prefix_len() >= least && net.contains(&form))
    }
}

impl BindRule {
    /// Whether all conditions for binding hold. An unspecified address takes the traffic of all addresses, `::` that of IPv4 as
    /// well: a rule that denies one of them denies it.
    pub(super) fn covers_bind(&self, caller: &Caller, bind: &super::Bind) -> bool {
        let address = canonical(bind.address);
        let holds = |net: &IpNet| {
            let taken =
                self.action == Action::Deny && address.is_unspecified() && (address.is_ipv6() || net.addr().is_ipv4());
            taken || net.contains(&address)
        };
        self.groups.is_empty()
            && any(&self.cidrs, holds)
            && any(&self.ports, |ports| ports.contains(bind.port))
            && any(&self.protocols, |protocol| *protocol == bind.protocol)
            && self.whom.covers(caller)
    }

    /// Whether all conditions for joining a group hold.
    pub(super) fn covers_join(&self, caller: &Caller, group: IpAddr, port: u16) -> bool {
        !self.groups.is_empty()
            && self.groups.iter().any(|net| net.contains(&group))
            && any(&self.ports, |ports| ports.contains(port))
            && self.whom.covers(caller)
    }
}

/// A port or a range of ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports(RangeInclusive<u16>);

impl Ports {
    /// One port.
    pub fn one(port: u16) -> Self {
        Self(port..=port)
    }

    fn contains(&self, port: u16) -> bool {
        self.0.contains(&port)
    }
}

impl FromStr for Ports {
    type Err = String;

    /// Reads "443" or "8000-8999".
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no port and no range of ports: give 443 or \"8000-8999\"");
        let port = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<u16>().ok().filter(|_| digits).ok_or_else(wrong)
        };
        match text.split_once('-') {
            None => port(text).map(Self::one),
            Some((first, last)) => {
                let (first, last) = (port(first)?, port(last)?);
                if first > last {
                    return Err(format!("\"{text}\" ends before it begins"));
                }
                Ok(Self(first..=last))
            }
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.0.start(), self.0.end());
        if first == last { write!(f, "{first}") } else { write!(f, "{first}-{last}") }
    }
}

/// Reads addresses of a rule: "10.0.0.0/8", "2001:db8::/32" or one address. Bits beyond the prefix are refused, since they mean a
/// mistake in either the address or the prefix. Prefixes of IPv4-mapped addresses mean the IPv4 addresses.
///
/// # Errors
/// A sentence.
pub fn parse_cidr(text: &str) -> Result<IpNet, String> {
    let net = read_cidr(text).ok_or_else(|| {
        format!(
            "\"{text}\" is no address and no block of addresses: give \"10.0.0.0/8\", \"2001:db8::/32\" or one address"
        )
    })?;
    if net.addr() != net.network() {
        return Err(format!("\"{text}\" has bits beyond its prefix: write {} or {}", net.trunc(), net.addr()));
    }
    match (net, canonical(net.addr())) {
        (IpNet::V6(mapped), IpAddr::V4(v4)) if mapped.prefix_len() >= 96 => {
            Ok(Ipv4Net::new(v4, mapped.prefix_len() - 96).map_or(net, IpNet::V4))
        }
        _ => Ok(net),
    }
}

/// Not by `IpNet::from_str`, which takes 010.0.0.0 for 10.0.0.0 where others take it for 8.0.0.0.
fn read_cidr(text: &str) -> Option<IpNet> {
    let Some((address, length)) = text.split_once('/') else { return text.parse::<IpAddr>().ok().map(IpNet::from) };
    let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let plain = length == "0" || !length.starts_with('0');
    IpNet::new(address.parse().ok()?, length.parse().ok().filter(|_| digits && plain)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_one_or_a_range_and_nothing_else() {
        let ports: Ports = "8000-8002".parse().expect("a range");
        assert!([8000, 8001, 8002].iter().all(|port| ports.contains(*port)) && !ports.contains(7999));
        assert_eq!("443".parse(), Ok(Ports::one(443)));
        for text in ["", "-", "1-", "-1", "2-1", "65536", "+1", " 1", "0x50", "1-2-3", "http"] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
    }

    #[test]
    fn blocks_are_read_strictly() {
        assert_eq!(parse_cidr("10.0.0.0/8").expect("a block").to_string(), "10.0.0.0/8");
        assert_eq!(parse_cidr("192.0.2.7").expect("an address").to_string(), "192.0.2.7/32");
        assert_eq!(parse_cidr("::ffff:10.0.0.0/104").expect("a mapped block").to_string(), "10.0.0.0/8");
        let said = parse_cidr("10.0.0.1/8").expect_err("bits beyond");
        assert!(said.contains("write 10.0.0.0/8 or 10.0.0.1"), "{said}");
        for text in [
            "",
            "10/8",
            "10.0.0.0/33",
            "010.0.0.0/8",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "10.0.0.0/8 ",
            "0x0a000000/8",
            "fe80::1%1",
            "db.example.com",
        ] {
            assert!(parse_cidr(text).is_err(), "{text}");
        }
    }
}
