//! Declarations that are right by themselves and cannot all be opened: the same address, the same session id, more than a limit.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

use super::{
    Config,
    declarations::{Declarations, TCP_CONNECT, TCP_LISTEN, UDP_IN},
    fault::{Fault, Origin},
};
use crate::{envelope::SessionId, identity::Caller};

/// Adds what clashes. `listen` is where the gRPC address was given, if it was.
pub(super) fn check(config: &Config, listen: Option<&Origin>, faults: &mut Vec<Fault>) {
    let declared = &config.declarations;
    tcp_addresses(config.listen, config.health.listen, listen, declared, faults);
    udp_addresses(declared, faults);
    session_ids(declared, faults);
    counts(config, faults);
}

fn tcp_addresses(
    grpc: SocketAddr,
    health: Option<SocketAddr>,
    given: Option<&Origin>,
    declared: &Declarations,
    faults: &mut Vec<Fault>,
) {
    let server = given.map_or_else(|| "its default".to_owned(), ToString::to_string);
    let mut taken = vec![(grpc, format!("the gateway's own address, listen ({server})"))];
    if let Some(health) = health {
        taken.push((health, "the port for health, health.listen".to_owned()));
        if overlap(grpc, health) {
            let origin = given.cloned().unwrap_or_else(|| Origin::Flag("health.listen".to_owned()));
            faults.push(Fault { origin, message: format!("listen: {grpc} is taken by health.listen") });
        }
    }
    for listener in &declared.tcp_listen {
        let address = listener.spec.address;
        // On the gateway's port no other address is free either: see the policy.
        let own = |at: usize| at == 0 && address.port() == grpc.port() && grpc.port() != 0;
        if let Some((_, (_, by))) =
            taken.iter().enumerate().find(|(at, (other, _))| own(*at) || overlap(address, *other))
        {
            faults.push(taken_by(TCP_LISTEN, address, by, &listener.origin));
        }
        taken.push((address, format!("the tcp_listen of {}", listener.origin)));
    }
}

fn udp_addresses(declared: &Declarations, faults: &mut Vec<Fault>) {
    for (at, socket) in declared.udp_in.iter().enumerate() {
        let address = socket.spec.address;
        // Sockets that all ask for it may share an address.
        let other = declared.udp_in[..at].iter().find(|other| {
            overlap(address, other.spec.address) && !(socket.spec.reuse_address && other.spec.reuse_address)
        });
        if let Some(other) = other {
            let by = format!("the udp_in of {}", other.origin);
            faults.push(taken_by(UDP_IN, address, &by, &socket.origin));
        }
    }
}

fn taken_by(kind: &str, address: SocketAddr, by: &str, origin: &Origin) -> Fault {
    Fault { origin: origin.clone(), message: format!("{kind}: {address} is taken by {by}") }
}

/// Whether two sockets cannot both be bound. An unspecified address takes all of its family, and :: takes IPv4 as well.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let takes = |all: SocketAddr, one: SocketAddr| all.ip().is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    a.port() == b.port() && a.port() != 0 && (a.ip() == b.ip() || takes(a, b) || takes(b, a))
}

fn session_ids(declared: &Declarations, faults: &mut Vec<Fault>) {
    let udp = declared.udp_in.iter().map(|udp| (UDP_IN, &udp.owner, &udp.spec.session_id, &udp.origin));
    let tcp = declared.tcp_connect.iter().map(|tcp| (TCP_CONNECT, &tcp.owner, &tcp.spec.session_id, &tcp.origin));
    let mut named: Vec<(&str, &Caller, &SessionId, &Origin)> =
        udp.chain(tcp).filter_map(|(kind, owner, id, origin)| Some((kind, &**owner, id.as_ref()?, origin))).collect();
    named.sort_by_key(|(_, _, _, origin)| *origin);
    let mut first: HashMap<(&str, &str), &Origin> = HashMap::new();
    for (kind, owner, id, origin) in named {
        let scoped = (&*owner.namespace, id.as_str());
        match first.get(&scoped) {
            None => {
                first.insert(scoped, origin);
            }
            Some(other) => faults.push(Fault {
                origin: origin.clone(),
                message: format!("{kind}.session_id: \"{id}\" is the session of {other} already"),
            }),
        }
    }
}

/// One fault for each limit that the declarations alone exceed, at the first declaration that is too many.
fn counts(config: &Config, faults: &mut Vec<Fault>) {
    let Declarations { tcp_listen, udp_in, tcp_connect } = &config.declarations;
    let listeners: Vec<_> = tcp_listen.iter().map(|one| &one.origin).collect();
    let connects: Vec<_> = tcp_connect.iter().map(|one| &one.origin).collect();
    let sessions: Vec<_> = udp_in.iter().map(|one| &one.origin).chain(connects.iter().copied()).collect();
    let mut names = HashSet::new();
    let subscribers: Vec<_> = tcp_listen
        .iter()
        .map(|one| (&one.owner, &one.spec.subscriber, &one.origin))
        .chain(udp_in.iter().map(|one| (&one.owner, &one.spec.subscriber, &one.origin)))
        .chain(tcp_connect.iter().map(|one| (&one.owner, &one.spec.subscriber, &one.origin)))
        .filter_map(|(owner, name, origin)| names.insert((&*owner.namespace, name)).then_some(origin))
        .collect();
    let limits = &config.limits;
    for (limit, most, mut origins) in [
        ("limits.listeners", limits.listeners, listeners),
        ("limits.pending_connects", limits.pending_connects, connects),
        ("limits.sessions", limits.sessions, sessions),
        ("limits.subscribers", limits.subscribers, subscribers),
    ] {
        origins.sort();
        if let Some(origin) = origins.get(most) {
            let message = format!("{} are declared in all, more than {limit} ({most})", origins.len());
            faults.push(Fault { origin: (*origin).clone(), message });
        }
    }
}
