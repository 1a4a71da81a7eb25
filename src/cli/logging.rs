//! Logs: to stderr, for people on a terminal and as JSON lines elsewhere.

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    EnvFilter,
    fmt::time::{ChronoLocal, ChronoUtc},
};

use crate::config::{LogConfig, LogFormat};

/// Starts logging, for the whole process and once.
pub(super) fn start(config: &LogConfig) {
    // The configuration was checked: only a filter that parses gets here.
    let filter = EnvFilter::builder().parse_lossy(&config.filter);
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    if is_human(config) {
        logs.with_timer(ChronoLocal::new("%H:%M:%S%.3f".to_owned()))
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .init();
    } else {
        logs.json().flatten_event(true).with_timer(ChronoUtc::rfc_3339()).init();
    }
}

/// Whether logs are for people.
pub(super) fn is_human(config: &LogConfig) -> bool {
    match config.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stderr().is_terminal(),
    }
}
