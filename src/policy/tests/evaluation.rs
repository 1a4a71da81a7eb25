//! Which rule decides.

use super::{super::*, *};
use crate::identity::Role;

#[test]
fn each_profile_allows_what_its_table_says() {
    // Address, then dev, lan and internet; over TCP and, where it differs, UDP.
    const TABLE: [(&str, [&str; 3]); 20] = [
        ("1.1.1.1", ["yes public", "yes public", "yes public"]),
        ("2606:4700::1111", ["yes public", "yes public", "yes public"]),
        ("64:ff9b::1.1.1.1", ["yes public", "yes public", "yes public"]),
        ("10.0.0.1", ["yes private", "yes private", "no private"]),
        ("172.31.255.255", ["yes private", "yes private", "no private"]),
        ("172.32.0.0", ["yes public", "yes public", "yes public"]),
        ("100.64.0.1", ["yes shared", "yes shared", "no shared"]),
        ("fd12::1", ["yes unique-local", "yes unique-local", "no unique-local"]),
        ("192.0.2.1", ["yes test", "yes test", "no test"]),
        ("127.0.0.1", ["yes loopback", "no loopback", "no loopback"]),
        ("::ffff:127.9.9.9", ["yes loopback", "no loopback", "no loopback"]),
        ("169.254.1.1", ["no link-local"; 3]),
        ("fe80::1", ["no link-local"; 3]),
        ("168.63.129.16", ["no metadata"; 3]),
        ("fd00:ec2::254", ["no metadata"; 3]),
        ("0.0.0.0", ["no unspecified"; 3]),
        ("::", ["no unspecified"; 3]),
        ("2002:808:808::1", ["no transition"; 3]),
        ("240.0.0.1", ["no reserved"; 3]),
        ("4000::1", ["no reserved"; 3]),
    ];
    for (address, expected) in TABLE {
        for (of, expected) in Profile::ALL.into_iter().zip(expected) {
            let (verdict, class) = expected.split_once(' ').expect("two words");
            let expected = format!("{verdict} profile.{}.{class}", of.as_str());
            assert_eq!(dialled(&profile(of), &tcp(80), address), expected, "{address}");
            assert_eq!(dialled(&profile(of), &udp(80), address), expected, "{address}");
        }
    }
}

#[test]
fn groups_and_broadcasts_are_for_datagrams_and_a_permission_of_their_own() {
    for of in Profile::ALL {
        for address in ["224.0.0.1", "255.255.255.255", "ff02::1"] {
            assert_eq!(dialled(&profile(of), &tcp(80), address), "no tcp-unicast-only");
        }
    }
    let everybody = Dial { broadcast: true, ..udp(9) };
    assert_eq!(dialled(&profile(Profile::Dev), &udp(9), "239.1.2.3"), "yes profile.dev.multicast");
    assert_eq!(dialled(&profile(Profile::Lan), &udp(9), "ff05::1"), "yes profile.lan.multicast");
    assert_eq!(dialled(&profile(Profile::Internet), &udp(9), "239.1.2.3"), "no profile.internet.multicast");
    assert_eq!(
        dialled(&profile(Profile::Dev), &everybody, "10.0.0.255"),
        "yes profile.dev.broadcast".replace("broadcast", "private")
    );
    assert_eq!(dialled(&profile(Profile::Lan), &everybody, "10.0.0.255"), "no profile.lan.broadcast");
    assert_eq!(dialled(&profile(Profile::Lan), &udp(9), "255.255.255.255"), "no profile.lan.broadcast");

    let unicast = rule("unicast", Action::Allow).to(&["10.0.0.0/8"]);
    let broadcast = DialRule { broadcast: true, ..rule("broadcast", Action::Allow).to(&["10.0.0.255", "239.0.0.0/8"]) };
    let policy = Policy::new(Profile::Lan, vec![unicast, broadcast], Vec::new());
    assert_eq!(dialled(&policy, &udp(9), "10.0.0.255"), "yes unicast");
    assert_eq!(dialled(&policy, &everybody, "10.0.0.255"), "yes broadcast");
    assert_eq!(dialled(&policy, &everybody, "10.0.1.255"), "no profile.lan.broadcast");
}

#[test]
fn the_first_rule_that_holds_decides() {
    let rules = vec![
        rule("no-smtp", Action::Deny).at(&["25"]),
        rule("db", Action::Allow).to(&["10.1.0.0/16"]).at(&["5432", "6000-6010"]),
        rule("rest", Action::Deny).to(&["10.0.0.0/8"]),
        rule("late", Action::Allow).to(&["10.2.0.0/16"]),
    ];
    let policy = Policy::new(Profile::Internet, rules, Vec::new());
    assert_eq!(dialled(&policy, &tcp(25), "10.1.0.1"), "no no-smtp");
    assert_eq!(dialled(&policy, &tcp(5432), "10.1.0.1"), "yes db");
    assert_eq!(dialled(&policy, &udp(6010), "::ffff:10.1.0.1"), "yes db");
    assert_eq!(dialled(&policy, &tcp(6011), "10.1.0.1"), "no rest");
    assert_eq!(dialled(&policy, &tcp(80), "10.2.0.1"), "no rest");
    assert_eq!(dialled(&policy, &tcp(80), "192.168.0.1"), "no profile.internet.private");
}

#[test]
fn only_a_rule_that_names_a_protected_block_from_within_opens_it() {
    let opened = |cidr: &str, address: &str| {
        let rules = vec![rule("own", Action::Allow).to(&[cidr])];
        policy_says(rules, &tcp(80), address)
    };
    // The profile's choices are overruled by any rule that names addresses …
    assert_eq!(opened("127.0.0.0/8", "127.0.0.1"), "yes own");
    assert_eq!(opened("0.0.0.0/1", "10.0.0.1"), "yes own");
    // … but not by one that says nothing about them.
    assert_eq!(opened("0.0.0.0/0", "10.0.0.1"), "no profile.internet.private");
    assert_eq!(opened("::/0", "::1"), "no profile.internet.loopback");
    // Protected ones only from within.
    for (cidr, address, expected) in [
        ("128.0.0.0/1", "169.254.169.254", "no profile.internet.metadata"),
        ("169.254.0.0/16", "169.254.169.254", "no profile.internet.metadata"),
        ("169.254.169.254", "169.254.169.254", "yes own"),
        ("169.254.0.0/16", "169.254.7.7", "yes own"),
        ("169.0.0.0/8", "169.254.7.7", "no profile.internet.link-local"),
        ("100.64.0.0/10", "100.100.100.200", "no profile.internet.metadata"),
        ("fd00::/8", "fd00:ec2::254", "no profile.internet.metadata"),
        ("fe80::/10", "fe80::1", "yes own"),
        ("240.0.0.0/4", "250.1.1.1", "yes own"),
        ("4000::/2", "4000::1", "no profile.internet.reserved"),
        ("4000::/16", "4000::1", "yes own"),
    ] {
        assert_eq!(opened(cidr, address), expected, "{cidr} {address}");
    }
}

fn policy_says(rules: Vec<DialRule>, dial: &Dial<'_>, address: &str) -> String {
    dialled(&Policy::new(Profile::Internet, rules, Vec::new()), dial, address)
}

#[test]
fn an_address_in_another_is_judged_as_well() {
    let rules = || vec![rule("own", Action::Allow).to(&["2002::/16", "2001::/32", "64:ff9b:1::/48", "::/96"])];
    for (address, expected) in [
        ("2002:808:808::1", "yes own"),
        ("2002:7f00:1::1", "no profile.internet.loopback"),
        ("2002:a9fe:a9fe::", "no profile.internet.metadata"),
        ("64:ff9b:1::8.8.8.8", "yes own"),
        ("64:ff9b:1::10.0.0.1", "no profile.internet.private"),
        ("64:ff9b::127.0.0.1", "no profile.internet.loopback"),
        ("64:ff9b::169.254.169.254", "no profile.internet.metadata"),
        ("::127.0.0.1", "no profile.internet.loopback"),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", "no profile.internet.loopback"),
        ("2606:4700::5efe:10.0.0.1", "no profile.internet.private"),
    ] {
        assert_eq!(policy_says(rules(), &tcp(80), address), expected, "{address}");
    }
    let rules = vec![rule("no-eight", Action::Deny).to(&["8.0.0.0/8"])];
    assert_eq!(policy_says(rules, &tcp(80), "64:ff9b::8.8.8.8"), "no no-eight");
}

#[test]
fn a_name_opens_no_address_that_the_profile_or_a_later_rule_denies() {
    let named = Dial { name: Some("db.example.com"), ..tcp(80) };
    let by_name = || rule("by-name", Action::Allow).named(&["*.example.com"]);
    let deny = || rule("not-there", Action::Deny).to(&["9.0.0.0/8"]);
    assert_eq!(policy_says(vec![by_name(), deny()], &named, "8.8.8.8"), "yes by-name");
    assert_eq!(policy_says(vec![by_name(), deny()], &named, "9.9.9.9"), "no not-there");
    assert_eq!(policy_says(vec![by_name(), deny()], &named, "10.0.0.1"), "no profile.internet.private");
    assert_eq!(policy_says(vec![by_name(), deny()], &named, "::ffff:169.254.169.254"), "no profile.internet.metadata");
    // What closes everything else does not close what the name opened.
    let rest = || rule("rest", Action::Deny);
    assert_eq!(policy_says(vec![by_name(), rest()], &named, "8.8.8.8"), "yes by-name");
    assert_eq!(policy_says(vec![by_name(), rest().to(&["0.0.0.0/0", "::/0"])], &named, "8.8.8.8"), "yes by-name");
    assert_eq!(policy_says(vec![by_name(), rest()], &tcp(80), "8.8.8.8"), "no rest");
    // Where name and address are both named, that is where the name may lead.
    let both = by_name().to(&["10.1.0.0/16"]);
    assert_eq!(policy_says(vec![both.clone()], &named, "10.1.2.3"), "yes by-name");
    assert_eq!(policy_says(vec![both.clone()], &named, "10.2.2.3"), "no profile.internet.private");
    assert_eq!(policy_says(vec![both], &tcp(80), "10.1.2.3"), "no profile.internet.private");
}

#[test]
fn names_that_no_address_could_be_allowed_for_are_not_looked_up() {
    let says = |rules: Vec<DialRule>, name: &str| {
        let dial = Dial { name: Some(name), ..tcp(80) };
        Policy::new(Profile::Internet, rules, Vec::new()).dial_name(&somebody(), &dial).map(|verdict| told(&verdict))
    };
    let list = || vec![rule("ours", Action::Allow).named(&["*.example.com"]), rule("rest", Action::Deny)];
    assert_eq!(says(list(), "secret.evil.net"), Some("no rest".into()));
    assert_eq!(says(list(), "a.example.com"), None);
    assert_eq!(says(list(), "metadata.google.internal"), Some("no metadata-names".into()));
    let blocks = vec![
        rule("block", Action::Deny).to(&["10.0.0.0/8"]),
        rule("far", Action::Allow).to(&["9.0.0.0/8"]),
        rule("rest", Action::Deny),
    ];
    assert_eq!(says(blocks, "a.example.com"), None, "it may lead to 9.0.0.0/8");
}

#[test]
fn metadata_names_are_denied_wherever_they_lead_and_whatever_allows_them() {
    for name in ["metadata.google.internal", "instance-data"] {
        let rules = vec![rule("all", Action::Allow).named(&[name]).to(&["8.0.0.0/8"])];
        assert_eq!(policy_says(rules, &Dial { name: Some(name), ..tcp(80) }, "8.8.8.8"), "no metadata-names");
    }
}

#[test]
fn a_rule_that_wants_tls_denies_what_goes_without() {
    let rules = || vec![DialRule { tls_required: true, ..rule("tls", Action::Allow).to(&["8.0.0.0/8"]) }];
    let policy = Policy::new(Profile::Dev, rules(), Vec::new());
    let plain = policy.dial(&somebody(), &tcp(443), ip("8.8.8.8"));
    assert!(!plain.allowed && plain.tls_missing, "{plain:?}");
    let over_tls = policy.dial(&somebody(), &Dial { tls: true, ..tcp(443) }, ip("8.8.8.8"));
    assert!(over_tls.allowed && !over_tls.tls_missing, "{over_tls:?}");
}

#[test]
fn rules_are_about_whom_they_name() {
    let whom = |identities: &[&str], namespaces: &[&str], roles: &[Role]| {
        let owned = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        Whom { identities: owned(identities), namespaces: owned(namespaces), roles: roles.to_vec() }
    };
    let allows = |whom: Whom, caller: &Caller| {
        let rules = vec![DialRule { whom, ..rule("own", Action::Allow).to(&["10.0.0.0/8"]) }];
        Policy::new(Profile::Internet, rules, Vec::new()).dial(caller, &tcp(80), ip("10.0.0.1")).allowed
    };
    let caller = Caller { identity: "team-a/deploy".into(), namespace: "a".into(), role: Role::User };
    assert!(allows(whom(&[], &[], &[]), &caller));
    assert!(allows(whom(&["team-a/deploy"], &["b", "a"], &[Role::User, Role::Operator]), &caller));
    assert!(allows(whom(&["team-a/*"], &[], &[]), &caller));
    assert!(!allows(whom(&["team-a"], &[], &[]), &caller));
    assert!(!allows(whom(&["team-a/*"], &["b"], &[]), &caller));
    assert!(!allows(whom(&[], &[], &[Role::Operator]), &caller));
}

#[test]
fn binding_follows_its_own_rules() {
    let says = |policy: &Policy, address: &str, port: u16| told(&policy.bind(&somebody(), &bind(address, port)));
    for (of, address, port, expected) in [
        (Profile::Dev, "127.0.0.1", 0, "yes profile.dev.bind-loopback"),
        (Profile::Dev, "0.0.0.0", 80, "yes profile.dev.bind-privileged-port"),
        (Profile::Lan, "0.0.0.0", 0, "yes profile.lan.bind"),
        (Profile::Lan, "::1", 8080, "no profile.lan.bind-loopback"),
        (Profile::Lan, "::ffff:127.0.0.1", 8080, "no profile.lan.bind-loopback"),
        (Profile::Internet, "10.0.0.1", 1023, "no profile.internet.bind-privileged-port"),
        (Profile::Internet, "10.0.0.1", 1024, "yes profile.internet.bind"),
    ] {
        assert_eq!(says(&profile(of), address, port), expected, "{address} {port}");
    }
    let rules = vec![
        BindRule { cidrs: vec![parse_cidr("10.1.0.0/16").expect("a block")], ..bind_rule("not-ours", Action::Deny) },
        BindRule { ports: vec!["5000-5999".parse().expect("ports")], ..bind_rule("ours", Action::Allow) },
        bind_rule("rest", Action::Deny),
    ];
    let policy = Policy::new(Profile::Dev, Vec::new(), rules);
    assert_eq!(says(&policy, "10.2.0.1", 5000), "yes ours");
    assert_eq!(says(&policy, "10.2.0.1", 0), "no rest", "whatever port the system picks need not be one of ours");
    assert_eq!(says(&policy, "10.1.0.1", 5000), "no not-ours");
    assert_eq!(says(&policy, "0.0.0.0", 5000), "no not-ours", "it takes 10.1.0.0/16 as well");
    assert_eq!(says(&policy, "::", 5000), "no not-ours", "so does this");
    assert_eq!(says(&policy, "::1", 5000), "yes ours");
}

#[test]
fn joining_groups_is_a_permission_of_its_own() {
    let says = |policy: &Policy, group: &str| told(&policy.join(&somebody(), ip(group), 5353));
    assert_eq!(says(&profile(Profile::Lan), "239.1.2.3"), "yes profile.lan.join-multicast");
    assert_eq!(says(&profile(Profile::Internet), "239.1.2.3"), "no profile.internet.join-multicast");
    let rules = vec![
        BindRule { groups: vec![parse_cidr("239.1.0.0/16").expect("a block")], ..bind_rule("ours", Action::Allow) },
        bind_rule("no-binding", Action::Deny),
    ];
    let policy = Policy::new(Profile::Internet, Vec::new(), rules);
    assert_eq!(says(&policy, "239.1.2.3"), "yes ours");
    assert_eq!(says(&policy, "239.2.2.3"), "no profile.internet.join-multicast");
    assert!(!policy.bind(&somebody(), &bind("239.1.2.3", 5353)).allowed, "a rule about groups is not about binding");
}
