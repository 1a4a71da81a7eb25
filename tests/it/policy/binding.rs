//! Binding and joining.

use socket_gateway::{
    api::proto::{self, Event},
    policy::{Action, BindRule, Policy, Profile, parse_cidr},
};

use super::{bind_rule, denied_by, profile, under};
use crate::support::{TestGateway, calls::listening, listen_for};

fn listen(host: &str, port: u16) -> proto::TcpListenRequest {
    proto::TcpListenRequest { host: host.into(), port: port.into(), ..Default::default() }
}

fn udp_in(host: &str, groups: &[&str]) -> proto::UdpInRequest {
    let group = |address: &&str| proto::MulticastGroup { address: (*address).into(), ..Default::default() };
    proto::UdpInRequest {
        host: host.into(),
        multicast_groups: groups.iter().map(group).collect(),
        ..Default::default()
    }
}

#[tokio::test]
async fn the_dev_profile_binds_loopback_and_everything_else() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    for host in ["", "127.0.0.1", "::1", "::"] {
        sockets.tcp_listen(listen(host, 0)).await.unwrap_or_else(|status| panic!("{host}: {status:?}"));
        sockets.udp_in(udp_in(host, &[])).await.unwrap_or_else(|status| panic!("{host}: {status:?}"));
    }
}

#[tokio::test]
async fn the_other_profiles_bind_neither_loopback_nor_a_privileged_port_and_say_so() {
    for (of, name) in [(Profile::Lan, "lan"), (Profile::Internet, "internet")] {
        let gateway = under(profile(of)).await;
        let mut sockets = gateway.sockets().await;
        let mut events = gateway.subscribe("caller").await;
        for host in ["127.0.0.1", "127.9.9.9", "::1", "localhost", "::ffff:127.0.0.1"] {
            let rule = format!("profile.{name}.bind-loopback");
            let request = proto::TcpListenRequest { subscriber: "caller".into(), ..listen(host, 0) };
            let status = sockets.tcp_listen(request).await.expect_err("denied");
            assert_eq!(denied_by(Err::<(), _>(status)), rule, "{host}");
            let told = events.error("POLICY_DENIED").await;
            assert_eq!((&told.error_metadata["rule"], told.error_metadata["direction"].as_str()), (&rule, "bind"));
            assert_eq!(denied_by(sockets.udp_in(udp_in(host, &[])).await), rule, "{host}");
        }
        assert_eq!(
            denied_by(sockets.tcp_listen(listen("", 1023)).await),
            format!("profile.{name}.bind-privileged-port")
        );
        sockets.tcp_listen(listen("", 0)).await.expect("may be bound");
        sockets.udp_in(udp_in("", &[])).await.expect("may be bound");
    }
}

#[tokio::test]
async fn groups_are_joined_only_with_permission_and_a_denied_one_leaves_nothing_bound() {
    let group =
        BindRule { groups: vec![parse_cidr("239.1.0.0/16").expect("a block")], ..bind_rule("ours", Action::Allow) };
    let gateway = under(Policy::new(Profile::Internet, Vec::new(), vec![group])).await;
    let mut sockets = gateway.sockets().await;
    let join = |groups: &[&str]| udp_in("", groups);
    assert_eq!(denied_by(sockets.udp_in(join(&["239.2.2.3"])).await), "profile.internet.join-multicast");
    assert_eq!(denied_by(sockets.udp_in(join(&["239.1.2.3", "224.0.0.251"])).await), "profile.internet.join-multicast");
    gateway.released().await;
    // Where there is no way to the group the system says so, and not the policy.
    if let Err(status) = sockets.udp_in(join(&["239.1.2.3"])).await {
        assert_eq!(crate::support::reason(&status).0, "UDP_ERROR", "{status:?}");
    }
}

#[tokio::test]
async fn rules_say_which_ports_may_be_bound() {
    let range = BindRule { ports: vec!["0".parse().expect("a port")], ..bind_rule("any-free-one", Action::Allow) };
    let rest = bind_rule("rest", Action::Deny);
    let gateway = under(Policy::new(Profile::Internet, Vec::new(), vec![range, rest])).await;
    let mut sockets = gateway.sockets().await;
    let (_, address) = listening(&mut sockets, listen_for("a")).await;
    assert_eq!(denied_by(sockets.tcp_listen(listen("127.0.0.1", address.port())).await), "rest");
    let mut events = gateway.subscribe("a").await;
    events.expect(Event::Listening).await;
}
