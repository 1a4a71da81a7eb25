//! Settings: the table, the sources and their order, values and relations.

use std::{collections::BTreeSet, ffi::OsString, time::Duration};

use super::{
    super::{Config, Flags, SETTINGS, setting::Rule, settings::values},
    assert_faults, faults, load,
};

#[test]
fn the_table_has_every_key_of_the_configuration_and_no_other() {
    let in_config: BTreeSet<String> = values(&Config::default()).into_keys().collect();
    let in_table: BTreeSet<String> = SETTINGS.iter().map(|setting| setting.key.to_owned()).collect();
    assert_eq!(in_table, in_config);
    assert_eq!(SETTINGS.len(), in_table.len(), "a key is there twice");
}

#[test]
fn a_meaning_speaks_of_zero_exactly_where_zero_is_allowed() {
    for setting in SETTINGS {
        let zero = matches!(setting.rule, Rule::Number { zero: true, .. } | Rule::Time { zero: true, .. });
        let says = setting.meaning.contains("0: ") || setting.meaning.contains("0s: ");
        assert_eq!(says, zero, "{}", setting.key);
    }
}

#[test]
fn a_shell_that_is_set_up_for_clients_can_start_a_gateway() {
    let names = ["SOCKET_GATEWAY_TARGET", "SOCKET_GATEWAY_TOKEN", "SOCKET_GATEWAY_CA"];
    load("", &names.map(|name| (name, "anything")), &[]).expect("none of these is a setting");
}

#[test]
fn the_defaults_keep_every_rule_and_relation() {
    let defaults = values(&Config::default());
    for setting in SETTINGS {
        let text = match &defaults[setting.key] {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        load("", &[], &[&format!("{}={text}", setting.key)]).expect(setting.key);
    }
}

#[test]
fn every_setting_is_reached_from_file_environment_and_flag() {
    for (key, text) in values(&Config::default()) {
        // These only go together, and with files; the tests of `identity` set them.
        if key.starts_with("tls.") {
            continue;
        }
        let (file, plain) = match text {
            toml::Value::Integer(number) => ((number + 1).to_string(), (number + 1).to_string()),
            toml::Value::Float(_) => ("0.25".to_owned(), "0.25".to_owned()),
            toml::Value::String(text) => {
                let other = match text.as_str() {
                    "auto" if key == "policy.profile" => "lan",
                    "auto" => "json",
                    "info" => "debug",
                    "off" if key == "tracing.otlp_endpoint" => "http://127.0.0.1:2/",
                    "off" => "127.0.0.1:2",
                    "127.0.0.1:50051" => "127.0.0.1:1",
                    _ => "7s",
                };
                (format!("\"{other}\""), other.to_owned())
            }
            toml::Value::Boolean(yes) => ((!yes).to_string(), (!yes).to_string()),
            other => panic!("{key}: {other} is a kind of value this test does not know"),
        };
        let variable = format!("SOCKET_GATEWAY_{}", key.replace('.', "_").to_uppercase());
        for config in [
            load(&format!("{key} = {file}"), &[], &[]),
            load("", &[(&variable, &plain)], &[]),
            load("", &[], &[&format!("{key}={plain}")]),
        ] {
            let value = values(&config.expect(&key))[&key].clone();
            assert_eq!(value.as_str().map_or_else(|| value.to_string(), str::to_owned), plain, "{key}");
        }
    }
}

#[test]
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let file = "[limits]\nsessions = 1\nlisteners = 1\nwatchers = 1\n";
    let environment = [("SOCKET_GATEWAY_LIMITS_LISTENERS", "2"), ("SOCKET_GATEWAY_LIMITS_WATCHERS", "2")];
    let limits = load(file, &environment, &["limits.watchers=3"]).expect("all is well").limits;
    assert_eq!((limits.sessions, limits.listeners, limits.watchers), (1, 2, 3));
}

#[test]
fn a_fault_counts_even_where_a_later_source_replaces_the_value() {
    let found = load("log.format = \"xml\"", &[("SOCKET_GATEWAY_LOG_FORMAT", "json")], &[]);
    assert_faults(&found.map(|_| ()).expect_err("the file is wrong"), &["FILE:1: log.format: unknown variant `xml`"]);
}

#[test]
fn the_file_is_found_through_the_environment_unless_a_flag_names_one() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = |name: &str, sessions: usize| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("limits.sessions = {sessions}")).expect("a scratch file");
        path
    };
    let environment: [(OsString, OsString); 1] = [("SOCKET_GATEWAY_CONFIG".into(), path("a.toml", 1).into())];
    let sessions = |flags: &Flags| Config::load(flags, &environment).expect("all is well").limits.sessions;
    assert_eq!(sessions(&Flags::default()), 1);
    assert_eq!(sessions(&Flags { file: Some(path("b.toml", 2)), ..Flags::default() }), 2);
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
    let found = load(
        "limit = 1\n[limits]\n# a comment\nsesions = 1\n[[tcp_lisen]]\n",
        &[("SOCKET_GATEWAY_LIMITS_SESIONS", "1"), ("SOCKET_GATEWAY_LISTEN_ON", "1")],
        &["sessions=1", "nothing.like.it=1", "listen"],
    );
    assert_faults(
        &found.map(|_| ()).expect_err("unknown keys"),
        &[
            "FILE:1: limit: no such setting; did you mean limits?",
            "FILE:4: limits.sesions: no such setting; did you mean limits.sessions?",
            "FILE:5: tcp_lisen: no such setting; did you mean tcp_listen?",
            "environment variable SOCKET_GATEWAY_LIMITS_SESIONS: no such setting; did you mean SOCKET_GATEWAY_LIMITS_SESSIONS?",
            "environment variable SOCKET_GATEWAY_LISTEN_ON: no such setting; did you mean SOCKET_GATEWAY_LISTEN?",
            "--set listen: must be KEY=VALUE",
            "--set nothing.like.it=1: nothing.like.it: no such setting",
            "--set sessions=1: sessions: no such setting; did you mean limits.sessions?",
        ],
    );
}

#[test]
fn variables_of_kubernetes_services_and_empty_ones_are_no_settings() {
    let environment = [
        ("SOCKET_GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ("SOCKET_GATEWAY_SERVICE_PORT_GRPC", "50051"),
        ("SOCKET_GATEWAY_PORT", "tcp://10.0.0.1:50051"),
        ("SOCKET_GATEWAY_PORT_50051_TCP_ADDR", "10.0.0.1"),
        ("SOCKET_GATEWAY_LISTEN", ""),
    ];
    load("", &environment, &[]).expect("none of these is a setting");
    let mistaken = load("", &[("SOCKET_GATEWAY_PORT", "50051")], &[]);
    assert_faults(
        &mistaken.map(|_| ()).expect_err("no setting"),
        &["environment variable SOCKET_GATEWAY_PORT: no such"],
    );
}

#[test]
fn every_bad_value_is_told_with_its_line() {
    let file = "listen = \"localhost:50051\"\nlog.format = \"xml\"\nlog.filter = \"a=loud\"\n[limits]\nsessions = \"many\"\n\
                stall_timeout = 60\nconnect_timeout = \"61s\"\nwatchers = -1\nname_lookups = 0\npattern_nesting = 5000000000\n\
                close_timeout = \"0s\"\nlisten_backlog = 99999999999999999999\nlisteners = [1]\n";
    assert_faults(
        &faults(file),
        &[
            "FILE:1: listen: \"localhost:50051\" is no address with its port",
            "FILE:2: log.format: unknown variant `xml`, expected one of `auto`, `human`, `json`",
            "FILE:3: log.filter: \"a=loud\" does not say what to log",
            "FILE:5: limits.sessions: \"many\" is no whole number",
            "FILE:6: limits.stall_timeout: 60 is no time with its unit",
            "FILE:7: limits.connect_timeout: \"61s\" is longer than 1m",
            "FILE:8: limits.watchers: -1 is negative",
            "FILE:9: limits.name_lookups: must be at least 1",
            "FILE:10: limits.pattern_nesting: 5000000000 is too large",
            "FILE:11: limits.close_timeout: must be longer than 0s",
            "FILE:12: limits.listen_backlog: must be at most 2147483647",
            "FILE:13: limits.listeners: is a list",
        ],
    );
}

#[test]
fn zero_is_allowed_where_it_has_a_meaning() {
    let file = "[limits]\norphan_timeout = \"0s\"\nsocket_receive_buffer_bytes = 0\nudp_receive_buffer_bytes = 0\n";
    assert_eq!(load(file, &[], &[]).expect("all may be zero").limits.orphan_timeout, Duration::ZERO);
}

#[test]
fn bounds_that_depend_on_each_other_are_checked_across_sources() {
    let found = load(
        "[limits]\nfull_backlog_read_bytes = 300_000\nsubscriber_backlog_bytes = 1000\n",
        &[("SOCKET_GATEWAY_LIMITS_PAYLOAD_BYTES", "100")],
        &["limits.grpc_message_bytes=100"],
    );
    assert_faults(
        &found.map(|_| ()).expect_err("out of order"),
        &[
            "FILE:2: limits.full_backlog_read_bytes: 300000 must be at most limits.session_backlog_bytes, which is 262144",
            "FILE:3: limits.session_backlog_bytes: 262144 must be at most limits.subscriber_backlog_bytes, which is 1000",
            "environment variable SOCKET_GATEWAY_LIMITS_PAYLOAD_BYTES: limits.payload_bytes: 100 must be less than \
             limits.grpc_message_bytes, which is 100",
        ],
    );
}

#[test]
fn a_broken_line_does_not_hide_the_faults_of_others_and_is_told_once() {
    assert_faults(
        &faults("listen = 1.2.3\n[limits]\nsessions = 0\nsessions = 1\n"),
        &[
            "FILE:1: this is no TOML: ",
            "FILE:3: limits.sessions: must be at least 1",
            "FILE:4: this is no TOML: duplicate",
        ],
    );
}

#[test]
fn a_file_that_is_missing_or_not_text_is_told_with_the_other_sources() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let (missing, binary) = (folder.path().join("missing.toml"), folder.path().join("binary.toml"));
    std::fs::write(&binary, b"# one\n\xff").expect("a scratch file");
    let set = vec!["limits.sessions=0".to_owned()];
    let load = |file| Config::load(&Flags { file: Some(file), set: set.clone(), ..Flags::default() }, &[]);
    let lines = load(missing).expect_err("missing").to_string();
    assert!(
        lines.contains("missing.toml: cannot be read: no such file") && lines.contains("limits.sessions=0"),
        "{lines}"
    );
    let lines = load(binary).expect_err("not text").to_string();
    assert!(lines.contains("binary.toml:2: is not UTF-8 text"), "{lines}");
}

#[test]
fn an_identity_may_have_quotas_of_its_own_and_the_rest_of_them_is_as_for_all() {
    let file = "[quota]\nsessions = 7\nstreams = 8\n[[quota.identities]]\nidentity = \"a\"\nsessions = 70\n";
    let quotas = load(file, &[], &[]).expect("is right").quotas();
    let told = ["a", "b"].map(|identity| (quotas.of(identity).sessions, quotas.of(identity).streams));
    assert_eq!(told, [(70, 8), (7, 8)]);
    assert_faults(
        &faults(
            "[[quota.identities]]\nsessions = -1\nsesions = 1\n[[quota.identities]]\nidentity = \"a\"\n[[quota.identities]]\nidentity = \"a\"\n",
        ),
        &[
            "FILE:1: quota.identities.identity: is required: whose quotas these are",
            "FILE:2: quota.identities.sessions: is less than 0",
            "FILE:3: quota.identities.sesions: no such field; did you mean sessions?",
            "FILE:7: quota.identities.identity: \"a\" has quotas already",
        ],
    );
}
