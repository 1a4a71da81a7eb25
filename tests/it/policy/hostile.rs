//! Hostile addresses and spellings: none of them arrives, by TCP or UDP.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use socket_gateway::{api::proto, policy::Profile};

use super::{
    datagram, denied_by, dial,
    host::{BROADCAST, Everywhere, WIRE, alone},
    profile, send_to, under,
};
use crate::support::{eventually, reason};

/// Addresses that no profile but `dev` lets anybody reach, and those that none does.
const IPV4: [&str; 34] = [
    "127.0.0.1",
    "127.0.0.2",
    "127.1.2.3",
    "127.255.255.254",
    "0.0.0.0",
    "0.0.0.1",
    "0.1.2.3",
    "0.255.255.255",
    "10.0.0.1",
    "10.77.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.0.1",
    "192.168.255.254",
    "100.64.0.1",
    "100.127.255.254",
    "100.100.100.200",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "169.254.0.23",
    "168.63.129.16",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.1",
    "255.255.255.254",
    "255.255.255.255",
];

/// The same of IPv6.
const IPV6: [&str; 40] = [
    "::",
    "::1",
    "::2",
    "::ffff",
    "0:0:0:0:0:0:0:1",
    "0000:0000:0000:0000:0000:0000:0000:0001",
    "::0.0.0.1",
    "fe80::1",
    "fe80::77%wire",
    "febf:ffff::1",
    "fec0::1",
    "feff::1",
    "fc00::1",
    "fd00::1",
    "fdff:ffff::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "FD00:EC2::254",
    "fd00:c1::a9fe:a9fe",
    "fd20:ce::254",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002::1",
    "2002:808:808::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "8000::1",
    "e000::1",
    "64:ff9b:1::808:808",
    "64:ff9b:2::1",
    "ff02::1",
    "ff02::1%wire",
    "ff05::2",
    "ff0e::1",
];

/// What is no address in its usual form, and no name.
const MALFORMED: [&str; 46] = [
    "127.1",
    "127.0.1",
    "127",
    "0",
    "00",
    "0x7f.1",
    "0x7f000001",
    "0X7F000001",
    "0x7f.0x0.0x0.0x1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "127.0.0.01",
    "127.0.0.0x1",
    "10.0.0.1.",
    "127.0.0.1..",
    "127.0.0.1:80",
    "127.0.0.256",
    "1.2.3.4.5",
    ".127.0.0.1",
    "127..0.1",
    "+127.0.0.1",
    "-127.0.0.1",
    " 127.0.0.1",
    "127.0.0.1 ",
    "127.0.0.1\n",
    "127.0.0.1\0",
    "127.0.0.1\t",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[127.0.0.1]",
    "::1]",
    "::1%lo",
    "::ffff:127.0.0.1%1",
    "::1%251",
    "::1/128",
    "127.0.0.1/32",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "user@127.0.0.1",
    "http://127.0.0.1",
    "１２７.０.０.１",
    "127。0。0。1",
    "①②⑦.0.0.1",
    "ⓛocalhost",
];

/// Names of that host, by its file of hosts; what they lead to is denied, or they are.
const NAMES: [&str; 14] = [
    "localhost",
    "LOCALHOST",
    "localhost.",
    "ip6-localhost",
    "ip6-loopback",
    "inside.test",
    "inside.test.",
    "sneaky.test",
    "mapped.test",
    "nowhere.test",
    "translated.test",
    "metadata.google.internal",
    "Metadata.Google.Internal.",
    "metadata",
];

/// All ways in which IPv6 can mean an IPv4 address, and other texts for it that are addresses.
fn spellings(v4: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = v4.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let written = |v6: [u16; 8]| Ipv6Addr::from(v6).to_string();
    vec![
        v4.to_string(),
        format!("::ffff:{v4}"),
        format!("::FFFF:{high:X}:{low:X}"),
        format!("0:0:0:0:0:ffff:{high:04x}:{low:04x}"),
        format!("0000:0000:0000:0000:0000:ffff:{v4}"),
        format!("::{v4}"),
        format!("::ffff:0:{v4}"),
        format!("64:ff9b::{v4}"),
        format!("64:ff9b:1::{v4}"),
        written([0x64, 0xff9b, 1, high, low >> 8, low << 8, 0, 0]),
        written([0x2002, high, low, 0, 0, 0, 0, 1]),
        written([0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !high, !low]),
        written([0x2001, 0, high, low, 0, 0xffff, 0xf7f7, 0xf7f7]),
        written([0x2606, 0x4700, 0, 0, 0, 0x5efe, high, low]),
        written([0x2606, 0x4700, 0, 0, 0x200, 0x5efe, high, low]),
    ]
}

/// The spellings of the targets that attackers like best.
fn embedded() -> Vec<String> {
    let targets = [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "172.16.0.1",
        "0.0.0.0",
    ];
    targets.iter().flat_map(|target| spellings(target.parse().expect("an address"))).collect()
}

fn addresses() -> Vec<String> {
    let plain = IPV4.into_iter().chain(IPV6).map(str::to_owned);
    plain.chain(embedded()).collect()
}

/// Whether a dial of this would have arrived, had nobody asked a policy.
fn would_arrive(address: &str, port: u16) -> bool {
    let Ok(ip) = address.parse::<IpAddr>() else { return false };
    TcpStream::connect_timeout(&SocketAddr::new(ip, port), Duration::from_millis(500)).is_ok()
}

#[test]
fn no_hostile_address_is_reached_however_it_is_spelled() {
    alone(|| async {
        let everywhere = Everywhere::listen().await;
        let port = everywhere.port;
        let gateway = under(profile(Profile::Internet)).await;
        let mut sockets = gateway.sockets().await;
        let mut rules: BTreeMap<String, usize> = BTreeMap::new();
        let all = addresses();
        for address in &all {
            *rules.entry(denied_by(dial(&mut sockets, address, port).await)).or_default() += 1;
            denied_by(send_to(&mut sockets, address, port).await);
            let broadcast = proto::UdpOutRequest { broadcast: true, ..datagram(address, port) };
            denied_by(sockets.udp_out(broadcast).await);
        }
        for spelling in MALFORMED {
            for (result, expected) in [
                (dial(&mut sockets, spelling, port).await, "CONNECT_INVALID"),
                (send_to(&mut sockets, spelling, port).await, "SEND_INVALID"),
            ] {
                let status = result.expect_err(spelling);
                assert_eq!(reason(&status).0, expected, "{spelling:?}: {status:?}");
            }
        }
        for name in NAMES {
            for result in [dial(&mut sockets, name, port).await, send_to(&mut sockets, name, port).await] {
                let status = result.expect_err(name);
                // With a dot at its end a name is not looked for in the file, and nobody serves its zone here.
                let unknown = name.ends_with('.') && status.message().contains("could not be resolved");
                if !unknown {
                    denied_by(Err::<(), _>(status));
                }
            }
        }
        for result in [dial(&mut sockets, "", port).await, dial(&mut sockets, &"1".repeat(254), port).await] {
            assert_eq!(reason(&result.expect_err("no host")).0, "CONNECT_INVALID");
        }
        assert!(all.len() + MALFORMED.len() + NAMES.len() >= 200, "{} hostile ones", all.len());
        assert!(rules.len() >= 9, "each for its own reason: {rules:?}");

        // All of that came to nothing: the first to arrive are those that may. Everything that can be dialled leads here.
        for public in ["1.1.1.1", "2606:4700::1111", "outside.test", "64:ff9b::1.1.1.1", "::ffff:1.1.1.1"] {
            dial(&mut sockets, public, port).await.unwrap_or_else(|status| panic!("{public}: {status:?}"));
        }
        send_to(&mut sockets, "1.1.1.1", port).await.expect("may be sent");
        eventually("what is allowed arrives", || async { everywhere.arrived().len() >= 6 }).await;
        let tcp: Vec<_> =
            everywhere.arrived().into_iter().filter(|(how, _)| *how == "tcp").map(|(_, at)| at.to_string()).collect();
        assert_eq!(tcp, ["1.1.1.1", "2606:4700::1111", "1.1.1.1", "64:ff9b::101:101", "1.1.1.1"]);
        assert_eq!(everywhere.arrived().len(), 6, "one datagram, and no more: {:?}", everywhere.arrived());

        // And the table is worth something: nearly all of it would have arrived.
        let reachable = all.iter().filter(|address| would_arrive(address, port)).count();
        assert!(reachable >= 150, "only {reachable} of {} lead anywhere", all.len());
    });
}

#[test]
fn the_lan_profile_reaches_private_networks_and_still_neither_loopback_nor_what_all_profiles_deny() {
    alone(|| async {
        let everywhere = Everywhere::listen().await;
        let port = everywhere.port;
        let gateway = under(profile(Profile::Lan)).await;
        let mut sockets = gateway.sockets().await;
        for never in [
            "127.0.0.1",
            "::1",
            "localhost",
            "169.254.169.254",
            "0.0.0.0",
            "fe80::77%wire",
            "2002:a00:1::",
            "240.0.0.1",
            "::10.0.0.1",
        ] {
            denied_by(dial(&mut sockets, never, port).await);
            denied_by(send_to(&mut sockets, never, port).await);
        }
        for near in ["10.0.0.1", "192.168.0.1", "100.64.0.1", "fd00::1", "inside.test", "64:ff9b::10.0.0.1"] {
            dial(&mut sockets, near, port).await.unwrap_or_else(|status| panic!("{near}: {status:?}"));
        }
        eventually("all of them arrive", || async { everywhere.arrived().len() == 6 }).await;
        assert_eq!(everywhere.arrived()[0].1.to_string(), "10.0.0.1", "nothing came before");
    });
}

#[test]
fn of_several_addresses_of_a_name_only_those_that_are_allowed_are_dialled() {
    alone(|| async {
        let everywhere = Everywhere::listen().await;
        let gateway = under(profile(Profile::Internet)).await;
        let mut sockets = gateway.sockets().await;
        for _ in 0..8 {
            dial(&mut sockets, "both.test", everywhere.port).await.expect("one of its addresses may be");
        }
        eventually("they arrive", || async { everywhere.arrived().len() == 8 }).await;
        assert!(everywhere.arrived().iter().all(|(_, at)| at.to_string() == "1.1.1.1"), "{:?}", everywhere.arrived());
    });
}

#[test]
fn broadcasts_and_groups_are_not_reached_without_permission() {
    alone(|| async {
        let everywhere = Everywhere::listen().await;
        let port = everywhere.port;
        let broadcast = |host: &str| proto::UdpOutRequest { broadcast: true, ..datagram(host, port) };
        let multicast = proto::UdpOutRequest { multicast_interface: WIRE.into(), ..datagram("224.0.0.1", port) };

        let gateway = under(profile(Profile::Lan)).await;
        let mut sockets = gateway.sockets().await;
        assert_eq!(denied_by(sockets.udp_out(broadcast(BROADCAST)).await), "profile.lan.broadcast");
        assert_eq!(denied_by(sockets.udp_out(broadcast("255.255.255.255")).await), "profile.lan.broadcast");
        assert_eq!(denied_by(sockets.udp_out(broadcast("10.0.0.1")).await), "profile.lan.broadcast");
        // Without the wish it is the system that refuses.
        assert_eq!(reason(&send_to(&mut sockets, BROADCAST, port).await.expect_err("no")).1["errno"], "EACCES");
        let gateway = under(profile(Profile::Internet)).await;
        let mut sockets = gateway.sockets().await;
        assert_eq!(denied_by(sockets.udp_out(multicast).await), "profile.internet.multicast");
        assert_eq!(denied_by(sockets.udp_out(broadcast(BROADCAST)).await), "profile.internet.broadcast");
        assert_eq!(everywhere.arrived(), []);

        // With permission it arrives: had one of those been sent, it would have as well.
        let rule = super::dial_rule("wake", socket_gateway::policy::Action::Allow, &[BROADCAST]);
        let rule = socket_gateway::policy::DialRule { broadcast: true, ..rule };
        let gateway = under(socket_gateway::policy::Policy::new(Profile::Internet, vec![rule], Vec::new())).await;
        gateway.sockets().await.udp_out(broadcast(BROADCAST)).await.expect("the rule allows it");
        eventually("the broadcast arrives", || async { everywhere.arrived().len() == 1 }).await;
    });
}
