//! Blocks and classes against implementations of their own: bit by bit, and by the standard library where it knows the answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use proptest::prelude::*;

use super::{super::*, *};

/// The bits of an address, the highest first.
fn bits(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)).collect()
}

/// Whether an address begins with the bits of a block.
fn begins_with(address: IpAddr, block: &str) -> bool {
    let (start, length) = block.split_once('/').expect("a block");
    let start: IpAddr = start.parse().expect("an address");
    let length: usize = length.parse().expect("a length");
    start.is_ipv4() == address.is_ipv4() && bits(start)[..length] == bits(address)[..length]
}

/// The class of an address and the length of the block that says so, block by block in order of their being asked.
fn class_by_bits(address: IpAddr) -> (Class, usize) {
    const LISTS: [(Class, &[&str]); 14] = [
        (
            Class::Metadata,
            &[
                "169.254.169.254/32",
                "169.254.170.2/32",
                "169.254.170.23/32",
                "169.254.0.23/32",
                "168.63.129.16/32",
                "100.100.100.200/32",
                "192.0.0.192/32",
                "fd00:ec2::/32",
                "fd00:c1::a9fe:a9fe/128",
                "fd20:ce::254/128",
            ],
        ),
        (Class::Unspecified, &["0.0.0.0/8", "::/128"]),
        (Class::Loopback, &["127.0.0.0/8", "::1/128"]),
        (Class::Broadcast, &["255.255.255.255/32"]),
        (Class::Transition, &["::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "2001::/32", "2002::/16"]),
        (
            Class::Test,
            &[
                "192.0.2.0/24",
                "198.51.100.0/24",
                "203.0.113.0/24",
                "198.18.0.0/15",
                "2001:2::/48",
                "2001:db8::/32",
                "3fff::/20",
            ],
        ),
        (Class::Private, &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]),
        (Class::Shared, &["100.64.0.0/10"]),
        (Class::LinkLocal, &["169.254.0.0/16", "fe80::/10"]),
        (Class::Multicast, &["224.0.0.0/4", "ff00::/8"]),
        (Class::UniqueLocal, &["fc00::/7"]),
        (Class::Public, &["64:ff9b::/96"]),
        (Class::Reserved, &["240.0.0.0/4", "192.0.0.0/24", "192.88.99.0/24", "2001::/23", "fec0::/10", "100::/64"]),
        (Class::Public, &["0.0.0.0/0", "2000::/3"]),
    ];
    for (class, blocks) in LISTS {
        if let Some(block) = blocks.iter().find(|block| begins_with(address, block)) {
            return (class, block.split_once('/').expect("a block").1.parse().expect("a length"));
        }
    }
    // What is given out to nobody at all: a rule has to be at least this specific.
    (Class::Reserved, 8)
}

/// Addresses near the edges of blocks as often as anywhere.
fn addresses() -> impl Strategy<Value = IpAddr> {
    let starts = [
        "0.0.0.0",
        "10.0.0.0",
        "100.64.0.0",
        "100.100.100.200",
        "127.0.0.0",
        "168.63.129.16",
        "169.254.0.0",
        "169.254.169.254",
        "172.16.0.0",
        "192.0.0.0",
        "192.0.2.0",
        "192.88.99.0",
        "192.168.0.0",
        "198.18.0.0",
        "203.0.113.0",
        "224.0.0.0",
        "240.0.0.0",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:0:0",
        "::ffff:0:0:0",
        "64:ff9b::",
        "64:ff9b:1::",
        "100::",
        "2000::",
        "2001::",
        "2001:2::",
        "2001:db8::",
        "2001:200::",
        "2002::",
        "3fff::",
        "4000::",
        "fc00::",
        "fd00:ec2::254",
        "fe00::",
        "fe80::",
        "fec0::",
        "ff00::",
    ];
    let flipped = (proptest::sample::select(starts.to_vec()), proptest::collection::vec(0_u32..128, 0..4)).prop_map(
        |(start, flips)| match ip(start) {
            IpAddr::V4(v4) => {
                Ipv4Addr::from(flips.iter().fold(u32::from(v4), |bits, flip| bits ^ 1 << (flip % 32))).into()
            }
            IpAddr::V6(v6) => Ipv6Addr::from(flips.iter().fold(u128::from(v6), |bits, flip| bits ^ 1 << flip)).into(),
        },
    );
    prop_oneof![any::<IpAddr>(), any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())), flipped]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn classes_are_what_the_bits_say(address in addresses()) {
        let classified = classify(address);
        prop_assert_eq!(classified.class, class_by_bits(address).0);
    }

    #[test]
    fn the_standard_library_agrees_where_it_knows(address in addresses()) {
        let class = classify(address).class;
        match address {
            IpAddr::V4(v4) => {
                prop_assert_eq!(class == Class::Loopback, v4.is_loopback());
                prop_assert_eq!(class == Class::Private, v4.is_private());
                prop_assert_eq!(class == Class::Multicast, v4.is_multicast());
                prop_assert_eq!(class == Class::Broadcast, v4.is_broadcast());
                prop_assert!(!v4.is_link_local() || matches!(class, Class::LinkLocal | Class::Metadata));
                prop_assert!(!v4.is_documentation() || class == Class::Test);
            }
            IpAddr::V6(v6) => {
                prop_assert_eq!(class == Class::Loopback, v6.is_loopback());
                prop_assert_eq!(class == Class::Unspecified, v6.is_unspecified());
                prop_assert_eq!(class == Class::Multicast, v6.is_multicast());
                prop_assert_eq!(class == Class::LinkLocal, v6.is_unicast_link_local());
                prop_assert!(!v6.is_unique_local() || matches!(class, Class::UniqueLocal | Class::Metadata));
            }
        }
    }

    #[test]
    fn blocks_hold_the_addresses_that_begin_with_their_bits(
        address in addresses(), near in addresses(), length in 0_u8..=128,
    ) {
        for of in [near, address] {
            let length = length % if of.is_ipv4() { 33 } else { 129 };
            let block = IpNet::new(of, length).expect("a length of its family").trunc();
            let parsed = parse_cidr(&block.to_string()).expect("what is printed is read");
            // Prefixes of mapped addresses are taken for the IPv4 ones, as addresses are.
            let (held, expected) = match parsed {
                IpNet::V4(_) => (parsed.contains(&canonical(address)), begins_with(canonical(address), &parsed.to_string())),
                IpNet::V6(_) => (parsed.contains(&address), begins_with(address, &block.to_string())),
            };
            prop_assert_eq!(held, expected, "{} in {}", address, block);
        }
    }

    /// The whole evaluation against one written as the documentation tells it.
    #[test]
    fn lists_of_blocks_decide_as_a_plain_reading_of_them(
        address in addresses(),
        list in proptest::collection::vec((any::<bool>(), addresses(), 0_u8..=128, proptest::option::of(0_u16..4)), 0..8),
        port in 0_u16..4,
        of in proptest::sample::select(Profile::ALL.to_vec()),
    ) {
        let list: Vec<_> = list.into_iter().map(|(allow, near, length, at)| {
            let near = canonical(near);
            let length = length % if near.is_ipv4() { 33 } else { 129 };
            (allow, parse_cidr(&IpNet::new(near, length).expect("fits").trunc().to_string()).expect("a block"), at)
        }).collect();
        let rules = list.iter().enumerate().map(|(at, (allow, block, port))| DialRule {
            cidrs: vec![*block],
            ports: port.map(Ports::one).into_iter().collect(),
            ..rule(&at.to_string(), if *allow { Action::Allow } else { Action::Deny })
        }).collect();
        let policy = Policy::new(of, rules, Vec::new());

        let plain = |form: IpAddr| {
            let (class, length) = class_by_bits(form);
            let by_profile = match class {
                Class::Public => true,
                Class::Loopback | Class::Broadcast => of == Profile::Dev,
                Class::Private | Class::Shared | Class::UniqueLocal | Class::Test | Class::Multicast => of != Profile::Internet,
                _ => false,
            };
            let first = list.iter().find(|(_, block, at)| begins_with(form, &block.to_string()) && at.is_none_or(|at| at == port));
            match first {
                None => by_profile,
                Some((false, ..)) => false,
                Some((true, block, _)) if block.prefix_len() == 0 => by_profile,
                Some((true, block, _)) if class.is_protected() => by_profile || usize::from(block.prefix_len()) >= length,
                Some((true, ..)) => true,
            }
        };
        let expected = forms(address).all(plain);
        prop_assert_eq!(policy.dial(&somebody(), &udp(port), address).allowed, expected);
    }
}
