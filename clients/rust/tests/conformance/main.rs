//! The conformance suite of `tests/conformance`, through this client, against the real gateway and the real far end.
//!
//! A program of its own and not `#[test]` functions: the scenarios share a far end and a gateway, and the results are written
//! whatever happens. Arguments choose scenarios by a part of their id.

#![allow(clippy::needless_update, reason = "a field that a newer API has must not break the build")]

mod callers;
mod errors;
mod exchanges;
mod farend;
mod listeners;
mod process;
mod resume;
mod sessions;
mod slow;
mod udp;

use std::{
    future::Future,
    path::Path,
    pin::Pin,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use socket_gateway_client::{Gateway, Options, proto};

use crate::{farend::FarEnd, process::Server};

/// How long a condition may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a whole scenario may take, on a machine under load.
const SCENARIO: Duration = Duration::from_secs(180);

/// What every scenario has.
#[derive(Clone)]
struct World {
    far: Arc<FarEnd>,
    /// The gateway that scenarios without settings share.
    server: Arc<Server>,
}

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;
type Scenario = (&'static str, fn(World) -> Running);

/// A table of scenarios: id and async function.
#[macro_export]
macro_rules! scenarios {
    ($($id:literal => $run:path,)*) => {
        &[$(($id, |world| Box::pin($run(world))),)*]
    };
}

impl World {
    /// A gateway object with a subscriber of its own.
    async fn gateway(&self) -> Gateway {
        self.server.gateway().await
    }

    fn port(&self, peer: &str) -> u16 {
        self.far.port(peer)
    }
}

/// A gateway object with these options.
async fn open(target: &str, options: Options) -> Gateway {
    within(Gateway::open_with(target, options)).await.expect("opens")
}

/// Awaits something that must come.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("came in time")
}

/// Waits for a condition.
async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "in vain: {what}");
}

/// What the gateway shows of a session; None where it is not found.
async fn shown(gateway: &Gateway, id: &str) -> Option<proto::Session> {
    let request = proto::GetSessionRequest { session_id: id.to_owned(), ..Default::default() };
    gateway.sessions().get_session(request).await.ok().and_then(|answer| answer.into_inner().session)
}

/// What the gateway shows of a subscriber.
async fn subscriber(gateway: &Gateway, name: &str) -> Option<proto::Subscriber> {
    let request = proto::ListSubscribersRequest { page_size: 1000, ..Default::default() };
    let all = gateway.sessions().list_subscribers(request).await.expect("lists").into_inner().subscribers;
    all.into_iter().find(|subscriber| subscriber.name == name)
}

/// Bytes of the pattern.
fn pattern(offset: usize, len: usize) -> Vec<u8> {
    (offset..offset + len).map(|at| (at % 251) as u8).collect()
}

#[tokio::main]
async fn main() -> ExitCode {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let world = World { far: Arc::new(FarEnd::start()), server: Arc::new(Server::start(&[]).await) };
    let tables: [&[Scenario]; 8] = [
        sessions::SCENARIOS,
        exchanges::SCENARIOS,
        listeners::SCENARIOS,
        resume::SCENARIOS,
        slow::SCENARIOS,
        udp::SCENARIOS,
        errors::SCENARIOS,
        callers::SCENARIOS,
    ];
    let mut results = serde_json::Map::new();
    let mut failed = 0;
    for (id, run) in tables.into_iter().flatten() {
        if !chosen.is_empty() && !chosen.iter().any(|part| id.contains(part.as_str())) {
            continue;
        }
        let started = Instant::now();
        let running = tokio::spawn(tokio::time::timeout(SCENARIO, run(world.clone())));
        let reason = match running.await {
            Ok(Ok(())) => None,
            Ok(Err(_)) => Some("took too long".to_owned()),
            Err(error) => Some(panic_text(error)),
        };
        let seconds = started.elapsed().as_secs_f64();
        println!("{} {id} ({seconds:.2} s)", if reason.is_none() { "passed" } else { "FAILED" });
        failed += usize::from(reason.is_some());
        let result = match reason {
            None => json!({"result": "passed", "seconds": seconds}),
            Some(reason) => json!({"result": "failed", "seconds": seconds, "reason": reason}),
        };
        results.insert((*id).to_owned(), result);
    }
    let passed = results.len() - failed;
    if chosen.is_empty() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/conformance");
        std::fs::create_dir_all(&root).expect("target/conformance");
        let report = json!({"language": "rust", "client": env!("CARGO_PKG_VERSION"), "scenarios": results});
        std::fs::write(root.join("rust.json"), format!("{report:#}\n")).expect("the results are written");
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn panic_text(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "was cancelled".to_owned() };
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "panicked".to_owned())
}
