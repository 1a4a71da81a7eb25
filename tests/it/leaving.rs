//! Callers that leave in the middle of a call, at every moment: nothing stays behind, and the session serves the next.

use std::time::Duration;

use socket_gateway::api::proto::{self, TcpConnectRequest};
use tokio::net::TcpStream;
use tonic::Request;

use crate::support::{
    Sessions, Sockets, TestGateway, bytes,
    calls::{connected, exchange, listen_anywhere, session},
    connect_lines, connect_to, disconnect, eventually,
    peers::{Peer, Unanswering, drain},
    seconds, send, text, within,
};

/// A session in line mode whose peer the test holds.
async fn pair(gateway: &TestGateway) -> (Sockets, String, TcpStream) {
    let (peer, mut taken) = Peer::handing_over().await;
    let mut sockets = gateway.sockets().await;
    let id = connected(&mut sockets, connect_lines(peer.addr)).await;
    (sockets, id, taken.recv().await.expect("a connection"))
}

async fn until_shown(sessions: &Sessions, id: &str, what: &str, shown: impl Fn(&proto::Session) -> bool) {
    eventually(what, || async { shown(&session(&mut sessions.clone(), id).await) }).await;
}

#[tokio::test]
async fn a_dial_dropped_in_any_phase_leaves_nothing() {
    let gateway = TestGateway::start().await;
    let (echo, unanswering) = (Peer::echo().await, Unanswering::start().await);
    let sockets = gateway.sockets().await;
    // With deadlines ever longer, the calls end at every step from resolving to the answer.
    for step in 0..60_u32 {
        for (host, addr) in [("localhost", echo.addr), ("127.0.0.1", echo.addr), ("127.0.0.1", unanswering.addr)] {
            let mut request =
                Request::new(TcpConnectRequest { host: host.into(), subscriber: "caller".into(), ..connect_to(addr) });
            request.set_timeout(Duration::from_micros(u64::from(step) * 50));
            let mut sockets = sockets.clone();
            if let Ok(opened) = sockets.tcp_connect(request).await {
                let id = opened.into_inner().session_id;
                sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
            }
        }
    }
    // A call can be dropped after its session was opened, when only its answer is under way: such a one is an orphan.
    for session in gateway.gateway.registry.sessions() {
        let id = session.core().id.to_string();
        let _ = gateway.sockets().await.tcp_disconnect(disconnect(&id)).await;
    }
    gateway.left_nothing().await;
}

#[tokio::test]
async fn an_exchange_dropped_in_any_phase_leaves_the_session_to_the_next() {
    let gateway = TestGateway::start().await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    let sessions = gateway.sessions().await;
    let start = |what: &str| {
        let request = proto::TcpExchangeRequest { settle_timeout: seconds(0.02), ..exchange(&id, what, "") };
        let mut sockets = sockets.clone();
        tokio::spawn(async move { sockets.tcp_exchange(request).await.map(tonic::Response::into_inner) })
    };
    // While it collects, with others waiting for the turn; while it waits for the turn.
    let collecting = start("collecting\n");
    until_shown(&sessions, &id, "it collects", |shown| shown.exchange_active).await;
    let waiting = start("waiting\n");
    until_shown(&sessions, &id, "it waits", |shown| shown.turn_waiters == 1).await;
    let next = start("next\n");
    until_shown(&sessions, &id, "they wait", |shown| shown.turn_waiters == 2).await;
    waiting.abort();
    until_shown(&sessions, &id, "it is gone", |shown| shown.turn_waiters == 1).await;
    collecting.abort();
    let expected = b"collecting\nnext\n";
    let mut asked = vec![0; expected.len()];
    within(tokio::io::AsyncReadExt::read_exact(&mut stream, &mut asked)).await.expect("both requests");
    assert_eq!(asked, expected);
    within(tokio::io::AsyncWriteExt::write_all(&mut stream, b"for the next\n")).await.expect("writes");
    let answer = within(next).await.expect("ends").expect("answers");
    assert_eq!(crate::support::calls::texts(answer.frames), ["for the next"]);
    // In the middle of its write.
    let mut begun = Vec::new();
    while session(&mut sessions.clone(), &id).await.queued_send_bytes == 0 {
        let request = proto::TcpExchangeRequest {
            payload: vec![bytes(vec![b'.'; 1 << 20])],
            settle_timeout: seconds(0.01),
            timeout: seconds(0.3),
            ..exchange(&id, "", "")
        };
        let mut sockets = sockets.clone();
        let call = tokio::spawn(async move { sockets.tcp_exchange(request).await.map(drop) });
        eventually("it is written, waits or is over", || async {
            call.is_finished() || session(&mut sessions.clone(), &id).await.queued_send_bytes > 0
        })
        .await;
        begun.push(call);
    }
    begun.pop().expect("one").abort();
    sockets.clone().tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    let received = within(drain(&mut stream)).await;
    assert_eq!(received.len() % (1 << 20), 0, "items are whole");
    drop(stream);
    gateway.left_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_that_leave_at_any_moment_leave_nothing() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut sockets = gateway.sockets().await;
    let id = connected(&mut sockets, connect_lines(echo.addr)).await;
    for step in 0..200_u64 {
        let (mut sockets, id, addr) = (sockets.clone(), id.clone(), echo.addr);
        let call = tokio::spawn(async move {
            match step % 4 {
                0 => drop(sockets.tcp_send(send(&id, "line\n")).await),
                1 => drop(
                    sockets
                        .tcp_exchange(proto::TcpExchangeRequest {
                            settle_timeout: seconds(0.01),
                            ..exchange(&id, "line\n", "^line$")
                        })
                        .await,
                ),
                2 => drop(
                    sockets
                        .udp_out(proto::UdpOutRequest {
                            host: "127.0.0.1".into(),
                            port: addr.port().into(),
                            payload: Some(text("x")),
                            ..Default::default()
                        })
                        .await,
                ),
                _ => drop(sockets.tcp_listen(listen_anywhere()).await),
            }
        });
        tokio::time::sleep(Duration::from_micros(step * 10)).await;
        call.abort();
    }
    let mut listeners = gateway.sessions().await;
    let listed = listeners.list_listeners(proto::ListListenersRequest { page_size: 1000, ..Default::default() }).await;
    for listener in listed.expect("lists").into_inner().listeners {
        let listener_id = listener.listener_id;
        let request = proto::TcpUnlistenRequest { listener_id, ..Default::default() };
        sockets.tcp_unlisten(request).await.expect("closes");
    }
    within(sockets.tcp_exchange(exchange(&id, "the end\n", "^the end$"))).await.expect("the session is usable");
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    gateway.left_nothing().await;
}
