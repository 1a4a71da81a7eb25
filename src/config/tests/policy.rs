//! The policy's rules in the file.

use super::{super::Config, assert_faults, faults, load};
use crate::{
    identity::{Caller, Role},
    policy::{Action, Dial, Profile, Protocol},
};

const DIAL: Dial<'static> = Dial { protocol: Protocol::Tcp, name: None, port: 5432, tls: false, broadcast: false };

fn verdict(config: &Config, identity: &str, address: &str) -> String {
    let caller = Caller { identity: identity.into(), namespace: "a".into(), role: Role::User };
    let verdict = config.policy().dial(&caller, &DIAL, address.parse().expect("an address"));
    format!("{} {}", verdict.allowed, verdict.rule)
}

#[test]
fn without_a_word_the_profile_is_dev_on_loopback_without_identity_and_internet_elsewhere() {
    let config = load("", &[], &[]).expect("nothing is wrong");
    assert_eq!(config.policy().profile, Profile::Dev);
    let open = ["listen=0.0.0.0:50051", "insecure.allow_anyone_to_open_sockets=true"];
    assert_eq!(load("", &[], &open).expect("nothing is wrong").policy().profile, Profile::Internet);
    // Where callers are told apart, loopback is not everybody's.
    let token = format!("[[identity.tokens]]\nname = \"a\"\nsha256 = \"{}\"\n", "0".repeat(64));
    assert_eq!(load(&token, &[], &[]).expect("nothing is wrong").policy().profile, Profile::Internet);
    let config = load("policy.profile = \"lan\"", &[("SOCKET_GATEWAY_POLICY_PROFILE", "internet")], &[]);
    assert_eq!(config.expect("nothing is wrong").policy().profile, Profile::Internet);
    let config = load("", &[], &["policy.profile=lan"]).expect("nothing is wrong");
    assert_eq!(config.policy().profile, Profile::Lan);
}

#[test]
fn rules_are_read_in_order_and_named_by_their_place() {
    let config = load(
        r#"
        [policy]
        profile = "internet"

        [[policy.dial]]
        name = "databases of a"
        action = "allow"
        identities = ["a/*"]
        namespaces = ["a"]
        roles = ["user", "operator"]
        cidrs = ["10.1.0.0/16", "10.9.9.9"]
        ports = [5432, "6000-6010"]
        protocols = ["tcp"]

        [[policy.dial]]
        action = "deny"
        cidrs = ["10.0.0.0/8"]

        [[policy.dial]]
        action = "allow"
        hosts = ["*.example.com"]
        tls = "required"

        [[policy.bind]]
        action = "allow"
        groups = ["239.1.0.0/16"]
        "#,
        &[],
        &[],
    )
    .expect("nothing is wrong");
    assert_eq!(verdict(&config, "a/one", "10.1.2.3"), "true databases of a");
    assert_eq!(verdict(&config, "b/one", "10.1.2.3"), "false policy.dial[1]");
    assert_eq!(verdict(&config, "a/one", "192.168.0.1"), "false profile.internet.private");
    assert!(config.rules.dial[2].tls_required && config.rules.dial[2].action == Action::Allow);
    assert_eq!(&*config.rules.bind[0].name, "policy.bind[0]");
}

#[test]
fn every_fault_of_every_rule_is_told_at_its_line() {
    let found = faults(
        r#"[policy]
profile = "wan"
[[policy.dial]]
acton = "allow"
cidrs = [
  "10.0.0.0/8",
  "10.0.0.1/8",
  7,
]
ports = [70000, "9-1", true]
[[policy.dial]]
name = "twice"
action = "permit"
hosts = ["10.0.0.1", "a.*.b"]
protocols = ["sctp"]
roles = ["users"]
[[policy.dial]]
name = "twice"
action = "deny"
tls = "required"
broadcast = true
identities = []
[[policy.dial]]
name = "profile.mine"
action = "allow"
broadcast = true
hosts = "db.example.com"
[[policy.bind]]
action = "allow"
groups = ["10.0.0.0/8"]
hosts = ["x"]
[policy.dail]
"#,
    );
    assert_faults(
        &found,
        &[
            "FILE:2: policy.profile: ",
            "FILE:3: policy.dial.action: is required: \"allow\" or \"deny\"",
            "FILE:4: policy.dial.acton: no such field; did you mean action?",
            "FILE:7: policy.dial.cidrs[1]: \"10.0.0.1/8\" has bits beyond its prefix: write 10.0.0.0/8 or 10.0.0.1",
            "FILE:8: policy.dial.cidrs[2]: must be addresses as text, not a whole number",
            "FILE:10: policy.dial.ports[0]: is no port",
            "FILE:10: policy.dial.ports[1]: \"9-1\" ends before it begins",
            "FILE:10: policy.dial.ports[2]: must be a port or a range",
            "FILE:13: policy.dial.action: \"permit\" must be \"allow\" or \"deny\"",
            "FILE:14: policy.dial.hosts[0]: \"10.0.0.1\" is an address: rules name addresses in cidrs",
            "FILE:14: policy.dial.hosts[1]: \"a.*.b\" has a * in the wrong place",
            "FILE:15: policy.dial.protocols[0]: \"sctp\" must be",
            "FILE:16: policy.dial.roles[0]: \"users\" must be one of user, operator, observer; did you mean user?",
            "FILE:18: policy.dial.name: \"twice\" is the name of the rule of FILE:11 already",
            "FILE:20: policy.dial.tls: is for rules that allow",
            "FILE:21: policy.dial.broadcast: is for rules that allow",
            "FILE:22: policy.dial.identities: is empty: leave it out",
            "FILE:24: policy.dial.name: \"profile.mine\" looks like one",
            "FILE:26: policy.dial.broadcast: needs cidrs",
            "FILE:27: policy.dial.hosts: must be a list, in brackets, not text",
            "FILE:30: policy.bind.groups[0]: \"10.0.0.0/8\" is not within 224.0.0.0/4 or ff00::/8",
            "FILE:31: policy.bind.hosts: no such field",
            "FILE:32: policy.dail: no such setting; did you mean policy.dial?",
        ],
    );
}

#[test]
fn rules_that_are_no_list_are_told_how_to_be_one() {
    assert_faults(
        &faults("[policy.dial]\naction = \"allow\"\n"),
        &["FILE:1: policy.dial: is a list: write [[policy.dial]], not [policy.dial]"],
    );
    assert_faults(&faults("[[policy]]\n"), &["FILE:1: policy: must be a table, [policy], not a list"]);
}

#[test]
fn there_is_an_end_to_rules_and_to_their_conditions() {
    let many = "[[policy.dial]]\naction = \"deny\"\n".repeat(1001);
    assert_faults(&faults(&many), &["FILE:1: policy.dial: 1001 rules are more than 1000"]);
    let ports = vec!["1"; 1001].join(",");
    let found = faults(&format!("[[policy.bind]]\naction = \"deny\"\nports = [{ports}]\n"));
    assert_faults(&found, &["FILE:3: policy.bind.ports: has more than 1000 entries"]);
}

#[test]
fn what_is_declared_has_to_be_allowed_to_its_owner() {
    let declared = r#"
[[tcp_listen]]
subscriber = "s"
host = "127.0.0.1"
port = 7000
[[udp_in]]
subscriber = "s"
port = 514
multicast_groups = [{ address = "239.1.2.3" }]
[[tcp_connect]]
subscriber = "s"
host = "10.0.0.1"
port = 9000
[[tcp_connect]]
subscriber = "s"
host = "metadata.google.internal"
port = 80
"#;
    load(&declared.replace("metadata.google.internal", "db.example.com"), &[], &[]).expect("dev allows it");
    let found = faults(&format!("policy.profile = \"internet\"{declared}"));
    assert_faults(
        &found,
        &[
            "FILE:2: tcp_listen: binding tcp 127.0.0.1:7000 is denied by profile.internet.bind-loopback",
            "FILE:6: udp_in: binding udp 0.0.0.0:514 is denied by profile.internet.bind-privileged-port",
            "FILE:6: udp_in: joining the group 239.1.2.3 is denied by profile.internet.join-multicast",
            "FILE:10: tcp_connect: tcp to 10.0.0.1 port 9000 is denied by profile.internet.private",
            "FILE:14: tcp_connect: tcp to metadata.google.internal port 80 is always denied (metadata-names)",
        ],
    );
    // The owner is called "configuration".
    let rule = |identity: &str| {
        let rules =
            format!("[[policy.dial]]\naction = \"allow\"\nidentities = [\"{identity}\"]\ncidrs = [\"10.0.0.0/8\"]\n");
        let declared = "[[tcp_connect]]\nsubscriber = \"s\"\nhost = \"10.0.0.1\"\nport = 9000\n";
        load(&format!("policy.profile = \"internet\"\n{rules}{declared}"), &[], &[])
    };
    rule("configuration").expect("its owner may");
    assert_faults(&rule("somebody").map(drop).expect_err("its owner may not"), &["FILE:6: tcp_connect: "]);
}
