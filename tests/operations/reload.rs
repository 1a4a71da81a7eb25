//! SIGHUP: what can change changes at once and together, the rest is named, and a broken file changes nothing.

use socket_gateway::api::proto::{ListSessionsRequest, UdpInRequest};

use crate::process::{File, Running, Sockets, limit, sessions, sockets};

async fn udp_in(sockets: &mut Sockets) -> Result<String, tonic::Status> {
    let request = UdpInRequest { host: "127.0.0.1".into(), ..Default::default() };
    Ok(sockets.udp_in(request).await?.into_inner().session_id)
}

#[tokio::test]
async fn limits_and_the_log_filter_change_at_once_and_what_needs_a_restart_is_named() {
    let file = File::new("[limits]\nsessions = 1\n");
    let (gateway, address) = Running::start(&["--config", file.path()]);
    let mut sockets = sockets(address).await;
    udp_in(&mut sockets).await.expect("one may be open");
    assert_eq!(limit(&udp_in(&mut sockets).await.expect_err("no more")), "sessions");

    file.write(
        "log.filter = \"debug\"\n[limits]\nsessions = 2\ngrpc_message_bytes = 3000000\n\
         [[udp_in]]\nsubscriber = \"a\"\nhost = \"127.0.0.1\"\nport = 0\n",
    );
    gateway.signal("HUP");
    let changed = gateway.line("reload: changed");
    assert_eq!((changed["setting"].as_str(), changed["to"].as_str()), (Some("log.filter"), Some("\"debug\"")));
    let changed = gateway.line("reload: changed");
    assert_eq!(
        (changed["setting"].as_str(), changed["from"].as_str(), changed["to"].as_str()),
        (Some("limits.sessions"), Some("1"), Some("2"))
    );
    let needs = gateway.line("reload: needs a restart");
    assert!(needs.to_string().contains("limits.grpc_message_bytes: 2097152 -> 3000000"), "{needs}");
    assert!(gateway.line("reload: needs a restart").to_string().contains("[[udp_in]]"));
    let done = gateway.line("reloaded");
    assert_eq!((done["changed"].as_u64(), done["needs_restart"].as_u64()), (Some(2), Some(2)));

    let second = udp_in(&mut sockets).await.expect("two may be open now");
    assert_eq!(limit(&udp_in(&mut sockets).await.expect_err("no more")), "sessions");

    // A limit below what lives ends nothing.
    file.write("log.filter = \"debug\"\n[limits]\nsessions = 1\n");
    gateway.signal("HUP");
    assert_eq!(gateway.line("reloaded")["needs_restart"].as_u64(), Some(0), "it is again as it was started");
    let listed =
        sessions(address).await.list_sessions(ListSessionsRequest::default()).await.expect("lists").into_inner();
    assert_eq!(listed.sessions.len(), 2);
    let request = socket_gateway::api::proto::TcpDisconnectRequest { session_id: second, ..Default::default() };
    sockets.tcp_disconnect(request).await.expect("closes");
    // Logged only since the filter changed.
    assert_eq!(gateway.line("session ended")["level"].as_str(), Some("DEBUG"));
    assert_eq!(limit(&udp_in(&mut sockets).await.expect_err("one is as many as may be")), "sessions");
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_every_fault_is_named_with_its_line() {
    let file = File::new("[limits]\nsessions = 1\n");
    let (mut gateway, address) = Running::start(&["--config", file.path()]);
    let mut sockets = sockets(address).await;
    udp_in(&mut sockets).await.expect("one may be open");

    file.write("[limits]\nsessions = 5\nlisteners = 0\n\n[log]\nfilter = \"a=b=c\"\n");
    gateway.signal("HUP");
    for (line, fault) in [(3, "limits.listeners: must be at least 1"), (6, "log.filter: ")] {
        let told = gateway.line("reload refused: ");
        assert_eq!(told["level"].as_str(), Some("ERROR"));
        let expected = format!("reload refused: {}:{line}: {fault}", file.path());
        assert!(told["message"].as_str().is_some_and(|message| message.starts_with(&expected)), "{told}");
    }
    assert_eq!(gateway.line("reload refused: nothing has changed")["faults"].as_u64(), Some(2));
    assert_eq!(limit(&udp_in(&mut sockets).await.expect_err("the old limit")), "sessions");

    std::fs::remove_file(file.path()).expect("a file");
    gateway.signal("HUP");
    assert!(gateway.line("reload refused: ").to_string().contains("cannot be read"));
    gateway.line("reload refused: nothing has changed");

    file.write("[limits]\nsessions = 2\n");
    gateway.signal("HUP");
    gateway.line("reloaded");
    udp_in(&mut sockets).await.expect("the new limit");

    drop(sockets);
    gateway.signal("TERM");
    let (code, _) = gateway.ended();
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn flags_and_environment_still_win_over_the_file_after_a_reload() {
    let file = File::new("");
    let (gateway, address) = Running::start(&["--config", file.path(), "--set", "limits.sessions=1"]);
    file.write("[limits]\nsessions = 9\nlisteners = 9\n");
    gateway.signal("HUP");
    assert_eq!(gateway.line("reload: changed")["setting"].as_str(), Some("limits.listeners"));
    assert_eq!(gateway.line("reloaded")["changed"].as_u64(), Some(1));
    let mut sockets = sockets(address).await;
    udp_in(&mut sockets).await.expect("one may be open");
    assert_eq!(limit(&udp_in(&mut sockets).await.expect_err("the flag's limit")), "sessions");
}

#[tokio::test]
async fn the_policy_is_replaced_whole_and_what_is_open_stays_open() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = u32::from(listener.local_addr().expect("bound").port());
    let dial =
        || socket_gateway::api::proto::TcpConnectRequest { host: "127.0.0.1".into(), port, ..Default::default() };
    let file = File::new("");
    let (gateway, address) = Running::start(&["--config", file.path()]);
    let mut sockets = sockets(address).await;
    let open = sockets.tcp_connect(dial()).await.expect("the profile dev allows it").into_inner().session_id;

    file.write("policy.profile = \"lan\"\n[[policy.bind]]\nname = \"none\"\naction = \"deny\"\n");
    gateway.signal("HUP");
    gateway.line("reload: the policy is replaced");
    gateway.line("reloaded");
    for (denied, rule) in [
        (sockets.tcp_connect(dial()).await.map(drop), "profile.lan.loopback"),
        (udp_in(&mut sockets).await.map(drop), "none"),
    ] {
        let status = denied.expect_err("denied from now on");
        assert!(status.code() == tonic::Code::PermissionDenied && status.message().contains(rule), "{status:?}");
    }
    let listed =
        sessions(address).await.list_sessions(ListSessionsRequest::default()).await.expect("lists").into_inner();
    assert_eq!(listed.sessions.iter().map(|session| &session.session_id).collect::<Vec<_>>(), [&open]);

    // A file with a fault in a rule changes nothing.
    file.write("[[policy.dial]]\naction = \"alow\"\n");
    gateway.signal("HUP");
    gateway.line("reload refused: nothing has changed");
    assert!(sockets.tcp_connect(dial()).await.is_err());
    file.write("");
    gateway.signal("HUP");
    gateway.line("reloaded");
    sockets.tcp_connect(dial()).await.expect("allowed again");
}
