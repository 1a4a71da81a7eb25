//! The policy that counts now, and what no policy can allow: the gateway's own ports.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;

use super::{Bind, Dial, OWN_PORTS, Policy, Verdict, forms};
use crate::{identity::Caller, net};

/// A policy that can be replaced while it is asked.
pub struct InForce {
    policy: ArcSwap<Policy>,
    own_ports: ArcSwap<Vec<u16>>,
    epoch: AtomicU64,
    is_local: fn(SocketAddr) -> bool,
}

impl InForce {
    /// `is_local` tells whether an address, in canonical form, is one of this host's.
    pub fn new(policy: Policy, is_local: fn(SocketAddr) -> bool) -> Self {
        Self {
            policy: ArcSwap::from_pointee(policy),
            own_ports: ArcSwap::default(),
            epoch: AtomicU64::new(0),
            is_local,
        }
    }

    /// The policy that counts now.
    pub fn policy(&self) -> arc_swap::Guard<Arc<Policy>> {
        self.policy.load()
    }

    /// Replaces it whole: who asks from now on is answered by the new one. What is open stays open.
    pub fn replace(&self, policy: Arc<Policy>) {
        self.policy.store(policy);
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts what was changed. A verdict may be kept with the epoch that was read before it was asked for, and holds until another.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The gateway itself listens on this port: neither dialled nor bound by any caller.
    pub fn add_own_port(&self, port: u16) {
        self.own_ports.rcu(|ports| {
            let mut ports = Vec::clone(ports);
            ports.push(port);
            ports
        });
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether a name is worth resolving; see [`Policy::dial_name`].
    pub fn dial_name(&self, caller: &Caller, dial: &Dial<'_>) -> Option<Verdict> {
        self.policy.load().dial_name(caller, dial)
    }

    /// Whether an address may be dialled, or sent a datagram.
    pub fn dial(&self, caller: &Caller, dial: &Dial<'_>, address: SocketAddr) -> Verdict {
        if self.is_own(address) {
            return Verdict::denied(OWN_PORTS);
        }
        self.policy.load().dial(caller, dial, address.ip())
    }

    /// Whether an address may be bound. On a port of the gateway's, callers meant for it could be caught at any address.
    pub fn bind(&self, caller: &Caller, bind: &Bind) -> Verdict {
        if bind.port != 0 && self.own_ports.load().contains(&bind.port) {
            return Verdict::denied(OWN_PORTS);
        }
        self.policy.load().bind(caller, bind)
    }

    /// Whether a socket of this port may join a group.
    pub fn join(&self, caller: &Caller, group: IpAddr, port: u16) -> Verdict {
        self.policy.load().join(caller, group, port)
    }

    fn is_own(&self, address: SocketAddr) -> bool {
        if !self.own_ports.load().contains(&address.port()) {
            return false;
        }
        let canonical = net::canonical(address);
        // The system takes an unspecified address for loopback.
        let near = |ip: IpAddr| ip.is_unspecified() || ip.is_loopback();
        forms(address.ip()).any(near)
            || (self.is_local)(canonical)
            || forms(address.ip()).skip(1).any(|ip| (self.is_local)(SocketAddr::new(ip, address.port())))
    }
}
