//! The benchmark: the gateway held against what its stack can do at best, side by side in one run.
//!
//! `cargo bench --bench gateway -- --help` tells the options; `docs/benchmark.md` tells what each case measures. This process is the
//! client. It starts the real server binary, and itself again in two roles: `peer`, the far end of the sockets, and `limit`, a gRPC
//! server that does only what the limit of a case needs. Each ends with its guard, and by itself when this process is gone.
//!
//! | file | owns |
//! |---|---|
//! | `options` | the command line |
//! | `process` | the children |
//! | `peer`, `limit` | the two roles |
//! | `client` | speaking gRPC to gateway and limit alike |
//! | `measure` | loads, alternation, statistics, bars |
//! | `cases` | what is measured |
//! | `report`, `chart`, `machine` | Markdown and JSON, the picture, what it was measured on |

#![allow(
    clippy::disallowed_methods,
    reason = "the benchmark plays clients, peers and servers, with sockets, tasks and processes of their own"
)]
#![allow(missing_docs, unreachable_pub, reason = "a benchmark has no callers")]

mod cases;
mod chart;
mod client;
mod limit;
mod machine;
mod measure;
mod options;
mod peer;
mod process;
mod report;

use anyhow::{Result, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use self::{
    cases::Bench,
    machine::Machine,
    measure::Row,
    options::{Options, Role},
    report::Report,
};

/// As in the real binary, so that the limit has no other allocator than the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(role) = options.role {
        return runtime()?.block_on(async {
            match role {
                Role::Peer => peer::run().await,
                Role::Limit => limit::run().await,
            }
        });
    }
    if !options.bench {
        println!("nothing measured: that is for cargo bench");
        return Ok(());
    }
    let machine = Machine::look();
    process::raise_descriptor_limit()?;
    if !options.all_cores {
        process::pin_to_one_core()?;
    }
    let rows = runtime()?.block_on(async {
        tokio::select! {
            rows = figures(&options) => rows,
            stopped = stop_asked() => stopped.and_then(|()| bail!("stopped")),
        }
    })?;
    let report = Report { machine, mode: options.mode(), rows };
    println!("{}", report.markdown());
    if let Some(file) = &options.json {
        std::fs::write(file, report.json()?)?;
    }
    if let Some(file) = &options.svg {
        std::fs::write(file, chart::draw(&report))?;
    }
    if let Some(file) = &options.markdown {
        report.write_between_markers(file)?;
    }
    Ok(())
}

async fn figures(options: &Options) -> Result<Vec<Row>> {
    let bench = Bench::start(options).await?;
    cases::run(&bench).await
}

/// A signal must not leave the children behind: their guards have to run.
async fn stop_asked() -> Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
