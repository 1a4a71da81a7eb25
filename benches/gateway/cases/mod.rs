//! What is measured: twelve cases, as `docs/benchmark.md` describes them. Each gives one row, or one for each number of sessions.

mod bulk;
mod crowd;
mod cycles;
mod datagrams;
mod echo;
mod fairness;
mod sends;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Result;

use crate::{
    measure::{Bar, Load, Row, Subject, alternate},
    options::Options,
    peer::Ports,
    process::Child,
};

const CASES: u8 = 12;

/// Everything a case needs.
pub struct Bench {
    gateway: SocketAddr,
    limit: SocketAddr,
    ports: Ports,
    /// For cases that need a gateway of their own.
    binary: PathBuf,
    short: bool,
    rounds: u32,
    window: Duration,
    cases: Vec<u8>,
    server: Child,
    _others: [Child; 2],
}

impl Bench {
    /// Starts the gateway, the peer and the limit.
    pub async fn start(options: &Options) -> Result<Self> {
        let binary = options.server.clone().unwrap_or_else(|| env!("CARGO_BIN_EXE_socket-gateway").into());
        let (server, gateway) = Child::gateway(&binary)?;
        let (limiting, limit) = Child::role("limit", |line| line["address"].as_str()?.parse().ok())?;
        let (peer, ports) = Child::role("peer", |line| serde_json::from_value(line.clone()).ok())?;
        Ok(Self {
            gateway,
            limit,
            ports,
            binary,
            short: options.short,
            rounds: options.rounds(),
            window: options.window(),
            cases: (1..=CASES).filter(|case| options.wants(*case)).collect(),
            server,
            _others: [limiting, peer],
        })
    }

    /// Rates of two loads in alternation, and their ratio.
    async fn compare(
        &self,
        subject: Subject,
        gateway: impl AsyncFn() -> Result<Load>,
        limit: impl AsyncFn() -> Result<Load>,
    ) -> Result<Row> {
        let pairs = alternate(self.rounds, self.window, &self.server, gateway, limit).await?;
        Ok(Row::pairs(subject, &pairs, |gateway, limit| gateway / limit))
    }
}

/// Runs the cases that were asked for.
pub async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for &case in &bench.cases {
        eprintln!("case {case} of {CASES}");
        match case {
            1 => rows.extend(sends::into_a_sink(bench).await?),
            2 => rows.extend(echo::by_unary_calls(bench).await?),
            3 => rows.extend(echo::by_attach(bench).await?),
            4 => rows.push(echo::attach_against_unary_calls(bench).await?),
            5 => rows.extend(bulk::down(bench).await?),
            6 => rows.extend(bulk::up(bench).await?),
            7 => rows.push(bulk::lines(bench).await?),
            8 => rows.push(datagrams::received(bench).await?),
            9 => rows.push(crowd::memory(bench).await?),
            10 => rows.extend(crowd::cost(bench).await?),
            11 => rows.extend(fairness::ping_beside_a_flood(bench).await?),
            12 => rows.push(cycles::connect_and_disconnect(bench).await?),
            _ => {}
        }
    }
    Ok(rows)
}

/// Calls, echoes, lines, datagrams or cycles: thousands a second.
fn thousands(case: u8, name: impl Into<String>, bar: Bar) -> Subject {
    Subject { case, name: name.into(), unit: "k/s", scale: 1e3, bar: Some(bar) }
}

/// Bytes: millions a second.
fn megabytes(case: u8, name: impl Into<String>, bar: Bar) -> Subject {
    Subject { case, name: name.into(), unit: "MB/s", scale: 1e6, bar: Some(bar) }
}

/// "1 session", "4 sessions".
fn sessions(count: usize) -> String {
    format!("{count} session{}", if count == 1 { "" } else { "s" })
}
