//! What a peer says by itself before anybody has asked for it.

use socket_gateway::api::proto::{self, Event, ExchangeEnd};

use crate::support::{
    Sockets, TestGateway, calls::connected, connect_lines, disconnect, eventually, peers::Peer, reason, seconds,
};

/// A session whose peer's greeting is in its holder's backlog already.
async fn greeted(gateway: &TestGateway, greeting: &'static [u8], lines: u64) -> (Peer, Sockets, String) {
    let peer = Peer::says(greeting).await;
    let mut sockets = gateway.sockets().await;
    let id = connected(&mut sockets, connect_lines(peer.addr)).await;
    eventually("the greeting waits for its holder", || async {
        let views: Vec<_> = gateway.gateway.subscribers.all().iter().map(|one| one.view()).collect();
        // Connecting and connected wait as well.
        views.iter().map(|view| view.backlog_envelopes as u64).sum::<u64>() == lines + 2
    })
    .await;
    (peer, sockets, id)
}

#[tokio::test]
async fn an_exchange_without_payload_gets_a_greeting_that_came_before_it() {
    let gateway = TestGateway::start().await;
    let (_peer, mut sockets, id) = greeted(&gateway, b"220-first\r\n220 ready\r\n221 later\r\n", 3).await;
    let call = proto::TcpExchangeRequest { wait_for: "^220 ".into(), ..silent(&id) };
    let answer = sockets.tcp_exchange(call).await.expect("answers").into_inner();
    assert_eq!((answer.end(), answer.read_offset), (ExchangeEnd::Match, 22));
    assert_eq!(answer.frames, [line("220-first")]);
    assert_eq!(answer.r#match, Some(line("220 ready")));
    let mut envelopes = gateway.subscribe("").await;
    envelopes.expect(Event::Connecting).await;
    envelopes.expect(Event::Connected).await;
    assert_eq!(envelopes.line().await, "221 later");
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    gateway.released().await;
}

#[tokio::test]
async fn a_greeting_that_does_not_answer_the_exchange_goes_back_to_its_holder_first() {
    let gateway = TestGateway::start().await;
    let (_peer, mut sockets, id) = greeted(&gateway, b"one\r\ntwo\r\n", 2).await;
    let call = proto::TcpExchangeRequest { wait_for: "^never".into(), timeout: seconds(0.1), ..silent(&id) };
    let status = sockets.tcp_exchange(call).await.expect_err("no answer");
    assert_eq!(reason(&status).0, "TIMEOUT");
    let mut envelopes = gateway.subscribe_with(data_only()).await;
    assert_eq!(envelopes.line().await, "one");
    assert_eq!(envelopes.line().await, "two");
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    gateway.released().await;
}

fn silent(session_id: &str) -> proto::TcpExchangeRequest {
    proto::TcpExchangeRequest { session_id: session_id.into(), ..Default::default() }
}

fn data_only() -> proto::SubscribeRequest {
    proto::SubscribeRequest { outputs: vec![proto::Output::Data.into()], ..Default::default() }
}

fn line(text: &str) -> proto::Line {
    proto::Line { content: Some(proto::line::Content::Text(text.into())) }
}
