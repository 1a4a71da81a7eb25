//! The policy at real sockets: what is denied never arrives, however it is spelled and whoever changes what meanwhile.

mod binding;
mod host;
mod hostile;
mod own_ports;
mod rebinding;
mod replaced;

use std::sync::Arc;

use socket_gateway::{
    api::proto,
    policy::{Action, BindRule, DialRule, HostPattern, Policy, Profile, Whom, parse_cidr},
};
use tonic::{Code, Status};

use crate::support::{Sockets, TestGateway, reason, text};

/// A gateway under a policy.
async fn under(policy: Policy) -> TestGateway {
    let gateway = TestGateway::start().await;
    gateway.gateway.policy.replace(Arc::new(policy));
    gateway
}

fn profile(profile: Profile) -> Policy {
    Policy::new(profile, Vec::new(), Vec::new())
}

fn dial_rule(name: &str, action: Action, cidrs: &[&str]) -> DialRule {
    DialRule {
        name: name.into(),
        action,
        whom: Whom::default(),
        hosts: Vec::new(),
        cidrs: cidrs.iter().map(|cidr| parse_cidr(cidr).expect("a block")).collect(),
        ports: Vec::new(),
        protocols: Vec::new(),
        tls_required: false,
        broadcast: false,
    }
}

fn host_rule(name: &str, action: Action, hosts: &[&str]) -> DialRule {
    let hosts = hosts.iter().map(|host| HostPattern::parse(host).expect("a pattern")).collect();
    DialRule { hosts, ..dial_rule(name, action, &[]) }
}

fn bind_rule(name: &str, action: Action) -> BindRule {
    BindRule {
        name: name.into(),
        action,
        whom: Whom::default(),
        cidrs: Vec::new(),
        groups: Vec::new(),
        ports: Vec::new(),
        protocols: Vec::new(),
    }
}

async fn dial(sockets: &mut Sockets, host: &str, port: u16) -> Result<(), Status> {
    let request = proto::TcpConnectRequest { host: host.into(), port: port.into(), ..Default::default() };
    sockets.tcp_connect(request).await.map(drop)
}

fn datagram(host: &str, port: u16) -> proto::UdpOutRequest {
    proto::UdpOutRequest { host: host.into(), port: port.into(), payload: Some(text("x")), ..Default::default() }
}

async fn send_to(sockets: &mut Sockets, host: &str, port: u16) -> Result<(), Status> {
    sockets.udp_out(datagram(host, port)).await.map(drop)
}

/// The rule of a call that the policy must have denied.
#[track_caller]
fn denied_by<T: std::fmt::Debug>(result: Result<T, Status>) -> String {
    let status = result.expect_err("must be denied");
    let (reason, metadata) = reason(&status);
    assert_eq!((status.code(), reason.as_str()), (Code::PermissionDenied, "POLICY_DENIED"), "{status:?}");
    assert!(status.message().contains(&metadata["rule"]), "{status:?}");
    metadata["rule"].clone()
}
