//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};

/// What the benchmark runs itself again as.
#[derive(Clone, Copy, ValueEnum)]
pub enum Role {
    Peer,
    Limit,
}

/// Measures the gateway against the limits of its stack.
#[derive(Parser)]
#[command(name = "gateway")]
pub struct Options {
    /// Short rounds: shows that everything works, and roughly how fast
    #[arg(long)]
    pub short: bool,
    /// Only these cases, for example 1,3,12
    #[arg(long, value_delimiter = ',', value_name = "CASE[,CASE]")]
    pub only: Vec<u8>,
    /// Rounds of each case [default: 5, short: 2]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Use all cores; without it everything runs on one, which compares what the work costs, not how it spreads
    #[arg(long)]
    pub all_cores: bool,
    /// Measure this server binary instead of the one just built
    #[arg(long, value_name = "FILE")]
    pub server: Option<PathBuf>,
    /// Write the results as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw the results
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Write the results between the markers of this file
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Passed by cargo bench, and not by cargo test
    #[arg(long, hide = true)]
    pub bench: bool,
    #[arg(long, hide = true)]
    pub role: Option<Role>,
}

impl Options {
    pub fn wants(&self, case: u8) -> bool {
        self.only.is_empty() || self.only.contains(&case)
    }

    pub fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.short { 2 } else { 5 })
    }

    /// What each side of a round is measured for.
    pub fn window(&self) -> Duration {
        Duration::from_millis(if self.short { 250 } else { 1000 })
    }

    /// How the figures came about, for the report.
    pub fn mode(&self) -> String {
        let length = if self.short { "short" } else { "full" };
        let cores = if self.all_cores { "on all cores" } else { "everything on one core" };
        format!("{length}, {} rounds, {cores}", self.rounds())
    }
}
