use std::sync::Arc;

use serde_json::json;
use socket_gateway::{
    api::proto::{self, attach_request::Command},
    credentials::Sources,
};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{Code, Status};

use crate::{
    credentials::{Signer, now},
    jwt::{claims, sources, spec},
    support::{connect_to, peers::Peer, reason, within},
    world::{ALICE, MALLORY, World, everybody},
};

#[track_caller]
fn assert_over(status: &Status) {
    assert_eq!((status.code(), reason(status).0.as_str()), (Code::Unauthenticated, "UNAUTHENTICATED"));
    assert!(status.message().contains("expired or were withdrawn"), "{status:?}");
}

#[tokio::test]
async fn every_kind_of_stream_ends_when_the_token_of_its_caller_expires() {
    let signer = Signer::new("one");
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::start(sources(&folder, spec(), signer.jwks().as_bytes()));
    let mut brief = claims();
    brief["exp"] = json!(now() + 3);
    let mut client = world.client(&signer.sign(&brief)).await;

    let mut idle = client.subscribe("idle").await.expect("subscribes");
    let mut watch = within(client.sessions.watch(proto::WatchRequest::default())).await.expect("watches").into_inner();
    let (commands, up) = tokio::sync::mpsc::channel(1);
    let subscribe =
        proto::AttachRequest { command: Some(Command::Subscribe(Default::default())), ..Default::default() };
    commands.send(subscribe).await.expect("open");
    let mut attach = within(client.sockets.attach(ReceiverStream::new(up))).await.expect("attaches").into_inner();

    assert_over(&idle.end().await);
    let watching = async {
        loop {
            if let Err(status) = watch.next().await.expect("a status comes last") {
                return status;
            }
        }
    };
    assert_over(&within(watching).await);
    let attached = async {
        loop {
            if let Err(status) = attach.next().await.expect("a status comes last") {
                return status;
            }
        }
    };
    assert_over(&within(attached).await);
    // What it opened is not thrown away: a fresh token of the same subject goes on with it.
    let mut again = world.client(&signer.sign(&claims())).await;
    again.subscribe("idle").await.expect("subscribes again");
    world_is_left_by(&world, "alice").await;
}

async fn world_is_left_by(world: &World, namespace: &str) {
    let one = || {
        let all = world.gateway.subscribers.all();
        all.into_iter().filter(|one| *one.owner().namespace == *namespace).map(|one| one.view().streams).sum::<usize>()
    };
    crate::support::eventually("its streams are gone", || async { one() == 0 }).await;
}

#[tokio::test]
async fn a_stream_that_always_has_more_to_say_ends_as_well() {
    let signer = Signer::new("one");
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::start(sources(&folder, spec(), signer.jwks().as_bytes()));
    let peer = Peer::floods(usize::MAX).await;
    let mut brief = claims();
    brief["exp"] = json!(now() + 3);
    let mut client = world.client(&signer.sign(&brief)).await;
    let mut stream = client.subscribe("").await.expect("subscribes");
    within(client.sockets.tcp_connect(connect_to(peer.addr))).await.expect("connects");
    assert_over(&stream.end().await);
}

#[tokio::test]
async fn a_token_that_is_withdrawn_ends_the_streams_of_its_caller_and_no_other() {
    let world = World::of_tokens();
    let (mut alice, mut mallory) = (world.client(ALICE).await, world.client(MALLORY).await);
    let mut withdrawn = mallory.subscribe("").await.expect("subscribes");
    let mut kept = alice.subscribe("").await.expect("subscribes");
    let mut tokens = everybody();
    tokens.remove(1);
    let swap = Arc::clone(&world.live).prepare(Sources { tokens, ..Sources::default() }).expect("good");
    // Prepared is not in force.
    mallory.looks().await.expect("still good");
    swap();
    assert_over(&withdrawn.end().await);
    crate::world::assert_refused(&mallory.looks().await.expect_err("withdrawn"), "withdrawn");
    let echo = Peer::echo().await;
    within(alice.sockets.tcp_connect(connect_to(echo.addr))).await.expect("connects");
    assert!(!kept.next().await.expect("goes on").is_empty());
}

#[tokio::test]
async fn a_caller_whose_role_changes_attaches_again() {
    let world = World::of_tokens();
    let mut stream = world.client(ALICE).await.subscribe("").await.expect("subscribes");
    let mut tokens = everybody();
    tokens[0] = crate::world::token(ALICE, "alice", socket_gateway::identity::Role::Observer);
    world.live.prepare(Sources { tokens, ..Sources::default() }).expect("good")();
    assert_over(&stream.end().await);
    let denied = world.client(ALICE).await.subscribe("").await.map(drop).expect_err("observers receive nothing");
    assert_eq!(reason(&denied).0, "ROLE_DENIED");
}

#[tokio::test]
async fn neither_identity_nor_tls_is_dropped_while_the_gateway_runs() {
    let world = World::of_tokens();
    let problems = world.live.prepare(Sources::default()).map(drop).expect_err("refused");
    assert!(problems[0].message.contains("restart"), "{problems:?}");
    world.client(ALICE).await.looks().await.expect("as before");
}
