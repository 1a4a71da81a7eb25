//! The gateway's own ports: by no spelling of any address of this host.

use std::sync::Arc;

use socket_gateway::{
    api::proto,
    policy::{Action, Policy, Profile},
};

use super::{
    bind_rule, denied_by, dial, dial_rule,
    host::{Everywhere, alone},
    send_to, under,
};
use crate::support::{TestGateway, eventually};

/// All of them are this host's: everything is, in a host where every address leads back.
const LOCAL: [&str; 27] = [
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "0.0.0.0",
    "0.0.0.1",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:0.0.0.0",
    "::FFFF:7F00:1",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b:1::127.0.0.1",
    "2002:7f00:1::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "10.77.0.1",
    "::ffff:10.77.0.1",
    "64:ff9b::10.77.0.1",
    "fe80::77%wire",
    "1.1.1.1",
    "2606:4700::1111",
    "fd00::1",
    "localhost",
    "LOCALHOST",
    "ip6-localhost",
    "outside.test",
];

#[test]
fn no_rule_opens_the_gateways_own_ports_by_any_address_of_its_host() {
    alone(|| async {
        let everywhere = Everywhere::listen().await;
        let blocks = [
            "127.0.0.0/8",
            "0.0.0.0/8",
            "10.0.0.0/8",
            "1.1.1.1",
            "::/96",
            "::ffff:0:0:0/96",
            "64:ff9b::/96",
            "64:ff9b:1::/48",
            "2002::/16",
            "2001::/32",
            "fe80::/10",
            "fd00::/8",
            "2000::/3",
            "::",
            "::1",
            "65.54.227.120",
        ];
        let rules = vec![dial_rule("everything", Action::Allow, &blocks)];
        let gateway = under(Policy::new(Profile::Dev, rules, vec![bind_rule("everything", Action::Allow)])).await;
        let mut sockets = gateway.sockets().await;
        // The gRPC port, and one that the gateway is told is its own: here it can be seen what arrives.
        gateway.gateway.policy.add_own_port(everywhere.port);
        for port in [gateway.addr.port(), everywhere.port] {
            for address in LOCAL {
                assert_eq!(denied_by(dial(&mut sockets, address, port).await), "own-ports", "{address}");
                assert_eq!(denied_by(send_to(&mut sockets, address, port).await), "own-ports", "{address}");
            }
        }
        let other = Everywhere::listen().await;
        for address in LOCAL {
            dial(&mut sockets, address, other.port).await.unwrap_or_else(|status| panic!("{address}: {status:?}"));
        }
        eventually("at another port all of them arrive", || async { other.arrived().len() == LOCAL.len() }).await;
        assert_eq!(everywhere.arrived(), [], "nothing arrived at the own one");
    });
}

#[tokio::test]
async fn own_ports_cannot_be_bound_at_any_address() {
    let gateway = TestGateway::start().await;
    let port = u32::from(gateway.addr.port());
    let rule = bind_rule("everything", Action::Allow);
    gateway.gateway.policy.replace(Arc::new(Policy::new(Profile::Dev, Vec::new(), vec![rule])));
    let mut sockets = gateway.sockets().await;
    for host in ["", "0.0.0.0", "127.0.0.1", "127.0.0.2", "::", "::1", "localhost", "192.0.2.1"] {
        let request = proto::TcpListenRequest { host: host.into(), port, ..Default::default() };
        assert_eq!(denied_by(sockets.tcp_listen(request).await), "own-ports", "{host}");
        let request = proto::UdpInRequest { host: host.into(), port, reuse_address: Some(true), ..Default::default() };
        assert_eq!(denied_by(sockets.udp_in(request).await), "own-ports", "{host}");
    }
    gateway.released().await;
}
