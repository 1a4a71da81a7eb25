//! Streams that break, and gateways that go.

use std::time::Duration;

use serde_json::json;
use socket_gateway_client::{CloseReason, Options, Reason, TcpOptions, Terminator};

use crate::{
    PATIENCE, Scenario, World, eventually,
    farend::Relay,
    open, pattern,
    process::Server,
    scenarios,
    sessions::{dial, end, line, local_port},
    subscriber, within,
};

pub(crate) const SCENARIOS: &[Scenario] = scenarios! {
    "C60-resume" => resume,
    "C61-resume-refused" => resume_refused,
    "C62-resume-in-a-flood" => resume_in_a_flood,
    "C63-restart" => restart,
    "C64-shutdown" => shutdown,
};

async fn resume(world: World) {
    let relay = Relay::to(&world.far, world.server.port()).await;
    let gateway = open(&relay.target, Options::default()).await;
    let session = dial(&gateway, world.port("answers"), TcpOptions::lines()).await.with_terminator(Terminator::Lf);
    within(session.send("one")).await.expect("sends");
    assert_eq!(line(&session).await, "re: one");
    relay.order("cut").await;
    world.far.say(local_port(&session), "while away\r\n").await;
    assert_eq!(line(&session).await, "while away");
    within(session.send("two")).await.expect("sends");
    assert_eq!(line(&session).await, "re: two");
    let direct = world.gateway().await;
    eventually("one stream is attached", || async {
        subscriber(&direct, gateway.subscriber()).await.is_some_and(|shown| shown.streams == 1)
    })
    .await;
    end(&session).await;
}

async fn resume_refused(world: World) {
    let relay = Relay::to(&world.far, world.server.port()).await;
    let gateway = open(&relay.target, Options::default()).await;
    let session = dial(&gateway, world.port("answers"), TcpOptions::lines()).await.with_terminator(Terminator::Lf);
    within(session.send("one")).await.expect("sends");
    assert_eq!(line(&session).await, "re: one");
    let accepted = async || relay.order("relayed").await["accepted"].as_u64().expect("a number");
    relay.order("refuse").await;
    let before = accepted().await;
    for said in ["first\r\n", "second\r\n", "third\r\n"] {
        world.far.say(local_port(&session), said).await;
    }
    eventually("the client tries again", || async { accepted().await > before }).await;
    relay.order("accept").await;
    for said in ["first", "second", "third"] {
        assert_eq!(line(&session).await, said);
    }
    within(session.send("two")).await.expect("sends");
    assert_eq!(line(&session).await, "re: two");
    end(&session).await;
}

async fn resume_in_a_flood(world: World) {
    const SIZE: usize = 10_000_000;
    const STEP: usize = 2_000_000;
    let relay = Relay::to(&world.far, world.server.port()).await;
    let gateway = open(&relay.target, Options::default()).await;
    let session = dial(&gateway, world.port("source"), TcpOptions::binary()).await;
    within(session.send(format!("{SIZE}\n"))).await.expect("sends");
    let (mut read, mut cut_at) = (0, STEP);
    while let Some(chunk) = within(session.next_chunk()).await.expect("reads") {
        assert!(chunk == pattern(read, chunk.len()), "at {read}");
        read += chunk.len();
        if read >= cut_at {
            cut_at += STEP;
            relay.order("cut").await;
        }
    }
    assert_eq!(read, SIZE);
}

async fn restart(world: World) {
    let first = Server::start(&[]).await;
    let relay = Relay::to(&world.far, first.port()).await;
    let gateway = open(&relay.target, Options::default()).await;
    let session = dial(&gateway, world.port("answers"), TcpOptions::lines()).await;
    let listener = within(gateway.listen("127.0.0.1", 0, TcpOptions::lines())).await.expect("listens");
    first.kill();
    let second = Server::start(&[]).await;
    relay.aim(second.port()).await;
    let lost = within(session.next_line()).await.expect_err("is gone");
    assert_eq!(lost.reason(), Some(Reason::InstanceChanged), "{lost}");
    within(listener.accept()).await.expect_err("is gone");
    let refused = within(session.send("x")).await.expect_err("is gone");
    assert_eq!(refused.reason(), Some(Reason::InstanceChanged), "{refused}");
    let mut tries = 0;
    let again = loop {
        match within(gateway.connect("127.0.0.1", world.port("echo"), TcpOptions::lines())).await {
            Ok(session) => break session,
            Err(error) if error.is_transient() && tries < 100 => tries += 1,
            Err(error) => panic!("{error}"),
        }
    };
    within(again.send("hello\n")).await.expect("sends");
    assert_eq!(line(&again).await, "hello");
    end(&again).await;
}

async fn shutdown(world: World) {
    let server = Server::start(&[]).await;
    let gateway = open(&server.address, Options::default().reconnect_for(Duration::ZERO)).await;
    let session = dial(&gateway, world.port("silent"), TcpOptions::lines()).await;
    let ending = tokio::spawn(async move { session.closed().await });
    let status = tokio::time::timeout(PATIENCE, server.terminate()).await.expect("ends in time");
    assert_eq!(status.code(), Some(0));
    let closed = within(ending).await.expect("does not panic").expect("is told");
    assert_eq!(closed.reason, CloseReason::Shutdown, "{}", json!(closed.reason.as_str_name()));
}
