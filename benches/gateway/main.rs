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

use anyhow::Result;
use clap::Parser;

use self::{
    cases::Bench,
    machine::Machine,
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
    process::raise_descriptor_limit()?;
    if options.pin {
        process::pin_to_one_core()?;
    }
    let rows = runtime()?.block_on(async {
        let bench = Bench::start(&options).await?;
        cases::run(&bench).await
    })?;
    let report = Report { machine: Machine::look(), mode: options.mode(), rows };
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

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
