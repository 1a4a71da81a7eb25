//! Whoever guesses is slow, is on record, and harms nobody who has shown good credentials.

use std::time::{Duration, Instant};

use hyper_util::rt::TokioIo;
use serde_json::Value;
use socket_gateway::{credentials::Sources, identity::TokenHash};
use tokio::net::TcpSocket;
use tonic::{Code, Status, transport::Endpoint};

use crate::{
    process::{File, Running, channel},
    support::{eventually, reason, within},
    world::{ALICE, Client, MALLORY, World, everybody},
};

/// So many may fail at once where one may in a second.
const BURST: u64 = 60;

/// Guesses until the answer is that nothing is looked at; gives how many were, and the answer.
async fn guess(client: &mut Client) -> (u64, Status) {
    let mut looked_at = 0;
    loop {
        let refused = client.looks().await.expect_err("no good");
        match refused.code() {
            Code::Unauthenticated => looked_at += 1,
            _ => return (looked_at, refused),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_guesses_is_not_looked_at_for_a_while_and_who_was_known_before_goes_on() {
    let sources = Sources { tokens: everybody(), ..Sources::default() };
    let world = World::with(sources, |_| (), |limits| limits.failed_authentications_per_second = 1);
    let mut alice = world.client(ALICE).await;
    alice.looks().await.expect("good");
    let started = Instant::now();
    let mut guesser = world.client("a guess").await;
    let (looked_at, refused) = guess(&mut guesser).await;
    let most = BURST + started.elapsed().as_secs() + 1;
    assert!((BURST..=most).contains(&looked_at), "{looked_at} of {most}");
    let (why, metadata) = reason(&refused);
    assert_eq!((refused.code(), why.as_str()), (Code::ResourceExhausted, "LIMIT_REACHED"), "{refused:?}");
    assert_eq!(metadata["limit"], "failed_authentications_per_second");
    let wait = humantime::parse_duration(&metadata["retryAfter"]).expect("a time");
    assert!(wait <= Duration::from_secs(1), "{wait:?}");

    // Not even a good token is looked at, or a guess that is right would be told: on a connection that nobody is known on.
    let mut late = world.client(MALLORY).await;
    let kept_out = loop {
        guess(&mut guesser).await;
        if let Err(refused) = late.looks().await {
            break refused;
        }
        late = world.client(MALLORY).await;
    };
    assert_eq!(kept_out.code(), Code::ResourceExhausted);
    // Who was known before goes on, until it shows something bad.
    for _ in 0..20 {
        alice.looks().await.expect("is looked at");
    }
    // Another address is another matter.
    let (socket, to) = (TcpSocket::new_v4().expect("a socket"), world.addr);
    socket.bind(([127, 0, 0, 2], 0).into()).expect("an address of loopback");
    let stream = within(socket.connect(to)).await.expect("connects");
    let mut stream = Some(stream);
    let connector = tower::service_fn(move |_| {
        let stream = stream.take().map(TokioIo::new);
        async move { stream.ok_or_else(|| std::io::Error::other("once")) }
    });
    let endpoint = Endpoint::from_static("http://gateway");
    let elsewhere = within(endpoint.connect_with_connector(connector)).await.expect("connects");
    Client::over(elsewhere, MALLORY).looks().await.expect("is looked at");
    // And after a while so is this one.
    eventually("it is looked at again", || {
        let mut late = late.clone();
        async move { late.looks().await.is_ok() }
    })
    .await;
    let failures = world.gateway.metrics.doors.authentication_failures.get();
    assert!(failures > looked_at, "those that were not looked at are counted as well: {failures}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_connection_that_begins_to_guess_is_treated_as_any_other() {
    let world = World::of_tokens();
    let mut mallory = world.client(MALLORY).await;
    mallory.looks().await.expect("good");
    let mut guesser = Client::over(mallory.channel.clone(), "a guess");
    let started = Instant::now();
    let (looked_at, _) = guess(&mut guesser).await;
    assert!(looked_at <= BURST + started.elapsed().as_secs() + 1, "{looked_at}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_authentications_are_on_record_and_guessing_does_not_flood_it() {
    const GUESSES: u64 = 500;
    let hash = TokenHash::of(b"alice-token");
    let file = File::new("");
    let audit = file.folder().join("audit.jsonl");
    file.write(&format!("audit.file = {audit:?}\n[[identity.tokens]]\nname = \"alice\"\nsha256 = \"{hash}\"\n"));
    let (gateway, address) = Running::start(&["--config", file.path()]);
    let started = Instant::now();
    let mut guesser = Client::over(channel(address).await, "secret-guess");
    for _ in 0..GUESSES {
        guesser.looks().await.expect_err("no good");
    }
    let records = || -> Vec<Value> {
        let text = std::fs::read_to_string(&audit).expect("readable");
        let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        lines.filter(|record: &Value| record["event"] == "authentication_failed").collect()
    };
    let told = || -> u64 { records().iter().map(|one| 1 + one["unrecorded"].as_u64().unwrap_or_default()).sum() };
    let most = BURST + started.elapsed().as_secs() + 1;
    eventually("the first are recorded", || async { records().len() as u64 >= BURST }).await;
    assert!(records().len() as u64 <= most, "{} of {most}", records().len());
    // The next that is looked at tells of all that were not.
    let mut all = GUESSES;
    'told: for _ in 0..60 {
        guesser.looks().await.expect_err("no good");
        all += 1;
        for _ in 0..100 {
            if told() == all {
                break 'told;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    assert_eq!(told(), all, "every one is accounted for");
    for record in records() {
        assert_eq!(record["method"], "tcpip.v1.SessionService/ListSessions");
        let peer: std::net::SocketAddr = record["peer"].as_str().expect("where from").parse().expect("an address");
        assert!(peer.ip().is_loopback() && peer != address);
        assert!(record.get("identity").is_none() && !record.to_string().contains("secret-guess"), "{record}");
    }
    drop(gateway);
}
