//! A session from connecting to disconnected, and how it is spoken to.

use socket_gateway::api::proto::{CloseReason, Event, data::Payload, envelope::Detail};

use crate::support::{TestGateway, connect_to, disconnect, peers::Peer, send};

#[tokio::test]
async fn an_echo_comes_back_and_the_envelopes_come_in_order() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut sockets = gateway.sockets().await;
    let mut envelopes = gateway.subscribe("").await;
    let session = sockets.tcp_connect(connect_to(echo.addr)).await.expect("connects").into_inner().session_id;
    sockets.tcp_send(send(&session, "hello")).await.expect("sends");
    envelopes.expect(Event::Connecting).await;
    envelopes.expect(Event::Connected).await;
    assert_eq!(envelopes.data().await, Payload::Bytes("hello".into()));
    sockets.tcp_disconnect(disconnect(&session)).await.expect("disconnects");
    envelopes.expect(Event::Disconnecting).await;
    let last = envelopes.expect(Event::Disconnected).await;
    let Some(Detail::Disconnected(detail)) = last.detail else { panic!("no detail") };
    assert_eq!(detail.reason(), CloseReason::ByRequest);
    assert_eq!((detail.bytes_received, detail.bytes_sent), (5, 5));
    gateway.released().await;
}
