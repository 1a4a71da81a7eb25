//! What the policy says to dials, datagrams and binds, and the telling of its denials.
//!
//! An address is judged after the name is resolved, and what was judged is what is dialled: nothing is resolved twice, so a zone that
//! changes its mind gains nothing.

use std::net::{IpAddr, SocketAddr};

use tokio::time::Instant;

use super::Gateway;
use crate::{
    audit::{Event, Who},
    error::{Error, Reason, shortened},
    identity::Caller,
    metrics::Action,
    net::{
        self,
        resolve::{ResolveError, literal},
    },
    policy::{Bind, Dial, Protocol, Verdict, canonical_name},
};

/// Where a call wants to go.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    pub(super) protocol: Protocol,
    /// As the caller gave it.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) broadcast: bool,
}

/// Why a destination gives no address.
pub(super) enum NoAddress {
    /// It has none.
    Unresolved(ResolveError),
    /// None that the policy allows.
    Denied(Error),
}

impl Gateway {
    /// The addresses of a destination that the caller may reach; at least one.
    pub(super) async fn reachable(
        &self,
        caller: &Caller,
        to: Destination<'_>,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, NoAddress> {
        let is_name = literal(to.host, to.port).map_err(NoAddress::Unresolved)?.is_none();
        let name = is_name.then(|| canonical_name(to.host));
        let Destination { protocol, port, broadcast, .. } = to;
        let dial = Dial { protocol, name: name.as_deref(), port, tls: false, broadcast };
        if let Some(verdict) = self.policy.dial_name(caller, &dial) {
            return Err(NoAddress::Denied(self.dial_denied(caller, to, None, &verdict)));
        }
        let mut addresses = self.resolver.resolve(to.host, port, deadline).await.map_err(NoAddress::Unresolved)?;
        let mut denial = None;
        addresses.retain_mut(|address| {
            *address = net::canonical(*address);
            let verdict = self.policy.dial(caller, &dial, *address);
            let allowed = verdict.allowed;
            if !allowed && denial.is_none() {
                denial = Some((*address, verdict));
            }
            allowed
        });
        match denial {
            Some((address, verdict)) if addresses.is_empty() => {
                Err(NoAddress::Denied(self.dial_denied(caller, to, Some(address), &verdict)))
            }
            _ => Ok(addresses),
        }
    }

    fn dial_denied(
        &self,
        caller: &Caller,
        to: Destination<'_>,
        address: Option<SocketAddr>,
        verdict: &Verdict,
    ) -> Error {
        let (protocol, host) = (to.protocol.as_str(), shortened(to.host));
        let what = format!("{protocol} to {host} port {}", to.port);
        self.denied(caller, Action::Dial, &what, address, verdict).with("protocol", protocol)
    }

    /// Whether the caller may bind an address.
    ///
    /// # Errors
    /// POLICY_DENIED.
    pub(super) fn check_bind(&self, caller: &Caller, protocol: Protocol, address: SocketAddr) -> Result<(), Error> {
        let verdict = self.policy.bind(caller, &Bind { protocol, address: address.ip(), port: address.port() });
        if verdict.allowed {
            return Ok(());
        }
        let what = format!("binding {} {address}", protocol.as_str());
        let denied = self.denied(caller, Action::Bind, &what, Some(address), &verdict);
        Err(denied.with("protocol", protocol.as_str()).with("host", address.ip()).with("port", address.port()))
    }

    /// Whether the caller may join a group on a socket of this port.
    ///
    /// # Errors
    /// POLICY_DENIED.
    pub(super) fn check_join(&self, caller: &Caller, group: IpAddr, port: u16) -> Result<(), Error> {
        let verdict = self.policy.join(caller, group, port);
        if verdict.allowed {
            return Ok(());
        }
        let what = format!("joining the group {group}");
        let denied = self.denied(caller, Action::Join, &what, Some(SocketAddr::new(group, port)), &verdict);
        Err(denied.with("protocol", Protocol::Udp.as_str()).with("host", group).with("port", port))
    }

    /// Every denial comes by here: what operators are told, and what the caller is. The caller learns the rule and what it asked
    /// for, and no address that it did not give: where a name leads is not for everybody to know.
    fn denied(
        &self,
        caller: &Caller,
        action: Action,
        what: &str,
        address: Option<SocketAddr>,
        verdict: &Verdict,
    ) -> Error {
        self.metrics.doors.denied(action);
        let direction = action.as_str();
        let (identity, namespace, rule) = (&caller.identity, &caller.namespace, &verdict.rule);
        self.audit.record(|| {
            let event = Event::Denied { action: direction, what, address, rule: rule.to_string() };
            (Some(Who::calls(caller)), event)
        });
        let address = address.map(tracing::field::display);
        tracing::info!(%identity, %namespace, direction, what, address, %rule, "denied by the policy");
        let message = verdict.refusal(what);
        Error::new(Reason::PolicyDenied, message).with("rule", rule).with("direction", direction)
    }
}
