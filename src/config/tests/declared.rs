//! Declarations: what they become, and what is found wrong with them.

use std::{sync::Arc, time::Duration};

use super::{
    super::{Config, open},
    assert_faults, faults, load,
};
use crate::{
    gateway::{Gateway, Pattern},
    session::{Mode, OnTimeout},
};

#[test]
fn a_declaration_becomes_the_spec_of_the_call_it_stands_for() {
    let file = "[[tcp_listen]]\nname = \"l\"\nsubscriber = \"a\"\nhost = \"127.0.0.1\"\nport = 0\nmode = \"line\"\n\
                wait_for = \"x$\"\ntimeout = \"1m\"\non_timeout = \"keep\"\nallow_half_open = true\norphan_timeout = \"5s\"\n\
                [[udp_in]]\nsubscriber = \"b\"\nport = 0\nmode = \"utf8\"\nsession_id = \"u\"\n\
                multicast_groups = [{ address = \"239.1.2.3\" }]\n\
                [[tcp_connect]]\nsubscriber = \"c\"\nhost = \"plc\"\nport = 502\nsession_id = \"t\"\nconnect_timeout = \"3s\"\n";
    let declared = load(file, &[], &[]).expect("all is well").declarations;
    let listen = &declared.tcp_listen[0];
    assert_eq!(listen.name.as_deref(), Some("l"));
    assert_eq!((listen.spec.address, listen.spec.subscriber.as_str()), (([127, 0, 0, 1], 0).into(), "a"));
    let options = &listen.spec.options;
    assert_eq!((options.mode, &options.wait_for), (Mode::Line, &Pattern::Regex("x$".to_owned())));
    assert_eq!((options.timeout, options.on_timeout), (Some(Duration::from_secs(60)), Some(OnTimeout::Keep)));
    assert_eq!((options.allow_half_open, options.orphan_timeout), (true, Some(Duration::from_secs(5))));
    let udp = &declared.udp_in[0].spec;
    assert!(udp.utf8 && udp.reuse_address && udp.groups.len() == 1);
    let connect = &declared.tcp_connect[0].spec;
    assert_eq!((&*connect.host, connect.port, connect.no_wait), ("plc", 502, true));
    assert_eq!(connect.connect_timeout, Some(Duration::from_secs(3)));
    assert_eq!(connect.session_id.as_ref().map(|id| id.as_str()), Some("t"));
}

#[test]
fn declared_sessions_are_never_orphans_unless_the_file_says_so() {
    let file =
        "[[udp_in]]\nsubscriber = \"b\"\nport = 0\n[[tcp_connect]]\nsubscriber = \"c\"\nhost = \"h\"\nport = 1\n";
    let declared = load(file, &[], &[]).expect("all is well").declarations;
    assert_eq!(declared.udp_in[0].spec.orphan_timeout, Some(Duration::ZERO));
    assert_eq!(declared.tcp_connect[0].spec.options.orphan_timeout, Some(Duration::ZERO));
}

#[test]
fn all_faults_of_all_declarations_are_told_at_once_with_their_lines() {
    let file = "[[tcp_listen]]\nport = 70000\nwait_for = \"(\"\nmode = \"lines\"\ntimeout = \"2days\"\ncolour = \"red\"\n\
                [[tcp_listen]]\nsubscriber = \"a\"\nhost = \"example.org\"\nport = \"80\"\nwait_for = \"x\"\n\
                [[udp_in]]\nsubscriber = 5\nport = 0\nmulticast_groups = [\n  { address = \"239.1.2.3\" },\n  \
                { address = \"10.0.0.1\" },\n  { adress = \"239.1.2.3\" },\n]\n\
                [[tcp_connect]]\nsubscriber = \"c\"\nhost = \"\"\nconnect_timeout = \"2min\"\n";
    assert_faults(
        &faults(file),
        &[
            "FILE:1: tcp_listen.subscriber: is required",
            "FILE:2: tcp_listen.port: 70000 is no port: 0 to 65535",
            "FILE:3: tcp_listen.wait_for: the pattern is not valid",
            "FILE:4: tcp_listen.mode: \"lines\" must be \"binary\" or \"line\"",
            "FILE:5: tcp_listen.timeout: is longer than 1day",
            "FILE:6: tcp_listen.colour: no such field",
            "FILE:9: tcp_listen.host: is no address of this machine",
            "FILE:10: tcp_listen.port: must be a port, not text",
            "FILE:11: tcp_listen.wait_for: needs mode = \"line\"",
            "FILE:13: udp_in.subscriber: must be text, not a whole number",
            "FILE:17: udp_in.multicast_groups[1]: address is no multicast address",
            "FILE:18: udp_in.multicast_groups[2].address: is required",
            "FILE:18: udp_in.multicast_groups[2].adress: no such field; did you mean address?",
            "FILE:20: tcp_connect.port: is required",
            "FILE:22: tcp_connect.host: is required",
            "FILE:23: tcp_connect.connect_timeout: is longer than 1m",
        ],
    );
}

#[test]
fn a_pattern_is_compiled_under_the_limits_of_the_same_configuration() {
    let file = "limits.pattern_bytes = 3\n[[tcp_listen]]\nsubscriber = \"a\"\nport = 0\nmode = \"line\"\nwait_for = \"abcd\"\n";
    assert_faults(&faults(file), &["FILE:6: tcp_listen.wait_for: the pattern is 4 bytes long, the limit is 3"]);
}

#[test]
fn a_table_where_a_list_belongs_says_how_to_write_it() {
    assert_faults(&faults("[tcp_listen]\nport = 1\n"), &["FILE:1: tcp_listen: is a list: write [[tcp_listen]]"]);
}

#[test]
fn addresses_that_take_each_other_are_found_and_others_are_not() {
    let listen =
        |host: &str, port: u16| format!("[[tcp_listen]]\nsubscriber = \"a\"\nhost = \"{host}\"\nport = {port}\n");
    let tcp = |all: &[(&str, u16)]| load(&all.iter().map(|(h, p)| listen(h, *p)).collect::<String>(), &[], &[]);
    for clash in [
        [("127.0.0.1", 7000), ("127.0.0.1", 7000)],
        [("0.0.0.0", 7000), ("127.0.0.1", 7000)],
        [("127.0.0.1", 7000), ("::", 7000)],
    ] {
        let found = tcp(&clash).map(|_| ()).expect_err("a clash");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("FILE:5: tcp_listen: ") && found[0].ends_with("tcp_listen of FILE:1"),
            "{found:?}"
        );
    }
    assert_faults(
        &tcp(&[("0.0.0.0", 50051)]).map(|_| ()).expect_err("the gateway's own"),
        &["FILE:1: tcp_listen: 0.0.0.0:50051 is taken by the gateway's own address"],
    );
    assert_faults(
        &tcp(&[("127.0.0.2", 50051)]).map(|_| ()).expect_err("another address, and the gateway's own port"),
        &["FILE:1: tcp_listen: 127.0.0.2:50051 is taken by the gateway's own address"],
    );
    for good in [
        [("127.0.0.1", 7000), ("127.0.0.1", 7001)],
        [("127.0.0.1", 7000), ("127.0.0.2", 7000)],
        [("127.0.0.1", 0), ("127.0.0.1", 0)],
        [("0.0.0.0", 7000), ("::1", 7000)],
    ] {
        tcp(&good).expect("these do not clash");
    }
}

#[test]
fn udp_sockets_share_an_address_only_where_both_ask_for_it() {
    let udp = |reuse: [bool; 2]| {
        let one = |reuse| format!("[[udp_in]]\nsubscriber = \"a\"\nport = 7000\nreuse_address = {reuse}\n");
        load(&reuse.map(one).concat(), &[], &[])
    };
    udp([true, true]).expect("both ask for it");
    assert_faults(
        &udp([true, false]).map(|_| ()).expect_err("one does not"),
        &["FILE:5: udp_in: 0.0.0.0:7000 is taken"],
    );
}

#[test]
fn a_session_id_can_be_declared_once() {
    let file = "[[tcp_connect]]\nsubscriber = \"a\"\nhost = \"h\"\nport = 1\nsession_id = \"s\"\n\
                [[udp_in]]\nsubscriber = \"a\"\nport = 0\nsession_id = \"s\"\n";
    assert_faults(&faults(file), &["FILE:6: udp_in.session_id: \"s\" is the session of FILE:1 already"]);
}

#[test]
fn more_declarations_than_a_limit_allows_are_found_before_they_are_opened() {
    let file = "[limits]\nlisteners = 1\nsubscribers = 1\n[[tcp_listen]]\nsubscriber = \"a\"\nport = 0\n\
                [[tcp_listen]]\nsubscriber = \"b\"\nport = 0\n";
    assert_faults(
        &faults(file),
        &[
            "FILE:7: 2 are declared in all, more than limits.listeners (1)",
            "FILE:7: 2 are declared in all, more than limits.subscribers (1)",
        ],
    );
}

#[tokio::test]
async fn what_is_declared_is_opened_for_its_subscriber() {
    let file = "[[tcp_listen]]\nsubscriber = \"a\"\nhost = \"127.0.0.1\"\nport = 0\n\
                [[udp_in]]\nsubscriber = \"b\"\nhost = \"127.0.0.1\"\nport = 0\nsession_id = \"u\"\n";
    let (gateway, config) = gateway(file);
    open(&gateway, &config.declarations, |_| None).await.expect("free ports");
    let listeners = gateway.registry.listeners();
    let of: Vec<_> = listeners.iter().map(|one| one.lane().subscriber().name().to_string()).collect();
    assert_eq!(of, ["a"]);
    assert!(gateway.registry.session("", "u").is_ok());
    gateway.registry.abort_all();
}

fn gateway(file: &str) -> (Arc<Gateway>, Config) {
    let config = load(file, &[], &[]).expect("all is well");
    (Gateway::new(config.limits.clone()), config)
}
