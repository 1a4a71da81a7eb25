use socket_gateway::api::proto;
use tokio_stream::StreamExt;
use tonic::Code;

use crate::{
    support::{connect_to, eventually, peers::Peer, reason, send, within},
    world::{ALICE, AUDITOR, MALLORY, OBSERVER, OPERATOR, World},
};

#[tokio::test]
async fn calls_without_a_good_credential_are_counted() {
    let world = World::of_tokens();
    for token in ["", "wrong", "wrong"] {
        world.client(token).await.looks().await.expect_err("no good");
    }
    world.client(ALICE).await.looks().await.expect("good");
    let counted = || world.gateway.metrics.doors.authentication_failures.get();
    eventually("all three are counted", || async { counted() == 3 }).await;
}

#[tokio::test]
async fn operators_tap_sessions_of_others_and_nobody_else_taps_at_all() {
    let (world, echo) = (World::of_tokens(), Peer::echo().await);
    let mut alice = world.client(ALICE).await;
    let connected = within(alice.sockets.tcp_connect(connect_to(echo.addr))).await.expect("connects");
    let session_id = connected.into_inner().session_id;
    for (token, namespace) in [(ALICE, ""), (MALLORY, ""), (MALLORY, "alice"), (OBSERVER, ""), (AUDITOR, "alice")] {
        let request = proto::TapRequest {
            session_id: session_id.clone(),
            namespace: namespace.into(),
            ..proto::TapRequest::default()
        };
        let denied = world.client(token).await.sessions.tap(request).await.expect_err("is denied");
        assert_eq!((denied.code(), reason(&denied).0.as_str()), (Code::PermissionDenied, "ROLE_DENIED"), "{token}");
    }
    let request = proto::TapRequest { session_id: session_id.clone(), namespace: "alice".into(), ..Default::default() };
    let mut operator = world.client(OPERATOR).await;
    let mut tap = within(operator.sessions.tap(request)).await.expect("taps").into_inner();
    let first = within(tap.next()).await.expect("goes on").expect("a message");
    assert_eq!(first.session.expect("the session").namespace, "alice");
    within(alice.sockets.tcp_send(send(&session_id, "secret"))).await.expect("sends");
    let records = within(tap.next()).await.expect("goes on").expect("a message").records;
    assert_eq!(records[0].text, "secret");
}
