//! Readers that do not read, and peers that do not.

use std::time::Duration;

use serde_json::json;
use socket_gateway_client::{Exchange, Gateway, Reason, Session, TcpOptions, Terminator};
use tokio::io::AsyncWriteExt;

use crate::{
    Scenario, World, eventually, pattern, scenarios,
    sessions::{dial, end, line, local_port},
    shown, within,
};

pub(crate) const SCENARIOS: &[Scenario] = scenarios! {
    "C70-slow-reader" => slow_reader,
    "C71-slow-reader-alone" => slow_reader_alone,
    "C72-slow-peer" => slow_peer,
};

const SIZE: usize = 64 * 1024 * 1024;

/// A session whose peer sends more than anybody reads.
async fn flooded(world: &World, gateway: &Gateway) -> Session {
    let session = dial(gateway, world.port("source"), TcpOptions::binary()).await;
    within(session.send(format!("{SIZE}\n"))).await.expect("sends");
    eventually("reading is paused", || async {
        shown(gateway, session.id()).await.is_some_and(|session| session.read_paused)
    })
    .await;
    session
}

async fn slow_reader(world: World) {
    let gateway = world.gateway().await;
    let session = flooded(&world, &gateway).await;
    let look = json!({"cmd": "look", "port": local_port(&session)});
    let sent = async || world.far.order(look.clone()).await["sent"].as_u64().expect("a number");
    eventually("the peer is stopped", || async {
        let before = sent().await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        sent().await == before
    })
    .await;
    assert!(sent().await < 32 * 1024 * 1024);
    let mut read = 0;
    while let Some(chunk) = within(session.next_chunk()).await.expect("reads") {
        assert!(chunk == pattern(read, chunk.len()), "at {read}");
        read += chunk.len();
    }
    assert_eq!(read, SIZE);
}

async fn hundred_lines(world: &World, gateway: &Gateway) {
    let session = dial(gateway, world.port("answers"), TcpOptions::lines()).await.with_terminator(Terminator::Lf);
    let answer = within(session.exchange("first", Exchange::one_frame())).await.expect("answers");
    assert_eq!(answer.frames[0], "re: first");
    for number in 0..100 {
        within(session.send(format!("line {number}"))).await.expect("sends");
    }
    for number in 0..100 {
        assert_eq!(line(&session).await, format!("re: line {number}"));
    }
    end(&session).await;
}

async fn slow_reader_alone(world: World) {
    let gateway = world.gateway().await;
    let mut flooded_sessions = Vec::new();
    for _ in 0..3 {
        flooded_sessions.push(flooded(&world, &gateway).await);
    }
    hundred_lines(&world, &gateway).await;
    for session in &flooded_sessions {
        within(session.abort()).await.expect("aborts");
    }
    for session in &flooded_sessions {
        within(session.closed()).await.expect("ends");
    }
}

async fn slow_peer(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("stuck"), TcpOptions::binary()).await;
    let id = session.id().to_owned();
    let mut stream = session.into_stream();
    let writing = tokio::spawn(async move {
        let written = stream.write_all(&pattern(0, 32 * 1024 * 1024)).await;
        written.and(stream.flush().await)
    });
    eventually("sends wait for the peer", || async {
        shown(&gateway, &id).await.is_some_and(|session| session.queued_send_bytes > 0)
    })
    .await;
    hundred_lines(&world, &gateway).await;
    let request =
        socket_gateway_client::proto::TcpDisconnectRequest { session_id: id, abort: true, ..Default::default() };
    gateway.sockets().tcp_disconnect(request).await.expect("aborts");
    let failed = within(writing).await.expect("does not panic").expect_err("was aborted");
    let cause = failed.get_ref().and_then(|cause| cause.downcast_ref::<socket_gateway_client::Error>()).expect("typed");
    let expected = [Reason::SocketNotConnected, Reason::SessionNotConnected, Reason::SessionNotFound];
    let is_expected = match cause {
        socket_gateway_client::Error::Closed(_) => true,
        other => other.reason().is_some_and(|reason| expected.contains(&reason)),
    };
    assert!(is_expected, "{cause}");
}
