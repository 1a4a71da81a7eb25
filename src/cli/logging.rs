//! Logs: to stderr, for people on a terminal and as JSON lines elsewhere; what is logged can change while they run.
//!
//! A thread of its own writes them, from a bounded queue: stderr may be a pipe that nobody reads, and must not hold the gateway up.
//! Lines that find no room are dropped and counted.

use std::{
    cell::Cell,
    io::{self, IsTerminal},
};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, LevelFilter, filter_fn},
    fmt::{self, time::ChronoLocal},
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

use super::{
    lines::{JsonLines, human_fields},
    traces::Traces,
};
use crate::{
    config::{LogConfig, LogFormat},
    server::CALLS,
    session::SESSIONS,
};

/// Lines that wait for stderr to take them.
const QUEUED_LINES: usize = 8192;

/// The logs of this process. What is queued is written when it is dropped, as far as stderr takes it within a second.
pub(super) struct Logs {
    filter: reload::Handle<EnvFilter, Registry>,
    lost: ErrorCounter,
    told: Cell<usize>,
    _writer: WorkerGuard,
}

/// Starts logging and tracing, for the whole process and once.
pub(super) fn start(config: &LogConfig, traces: &Traces) -> Logs {
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(QUEUED_LINES).thread_name("logs").finish(io::stderr());
    let lost = writer.error_counter();
    let (filter, handle) = reload::Layer::new(filter(config));
    // Spans of calls are for traces: a line of a log names its session, not the call that happened to be served.
    // The hint lets the other filter's stand: without one every callsite of every library would be asked, down to the last trace.
    let not_calls = filter_fn(|metadata| metadata.target() != CALLS).with_max_level_hint(LevelFilter::TRACE);
    let filter = filter.and(not_calls);
    let lines = fmt::layer().with_writer(writer);
    let lines = if is_human(config) {
        let lines = lines.with_timer(ChronoLocal::new("%H:%M:%S%.3f".to_owned()));
        lines.with_ansi(io::stderr().is_terminal()).with_target(false).fmt_fields(human_fields()).boxed()
    } else {
        lines.json().event_format(JsonLines).boxed()
    };
    let spans = traces.tracer().map(|tracer| {
        let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false);
        let layer = layer.with_tracked_inactivity(false).with_target(false);
        let of_ours = filter_fn(|metadata| metadata.is_span() && [CALLS, SESSIONS].contains(&metadata.target()));
        layer.with_filter(of_ours.with_max_level_hint(LevelFilter::DEBUG))
    });
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans).init();
    Logs { filter: handle, lost, told: Cell::new(0), _writer: guard }
}

impl Logs {
    /// Changes what is logged.
    pub(super) fn apply(&self, config: &LogConfig) {
        // It fails only where logging is over, and then nobody is there to be told.
        let _ = self.filter.reload(filter(config));
    }

    /// Tells how many lines were dropped since this was told last.
    pub(super) fn tell_lost(&self) {
        let lost = self.lost.dropped_lines();
        if lost > self.told.get() {
            let lines = lost - self.told.replace(lost);
            tracing::warn!(lines, "log lines were dropped: stderr did not take them in time");
        }
    }
}

fn filter(config: &LogConfig) -> EnvFilter {
    // The configuration was checked: only a filter that parses gets here.
    EnvFilter::builder().parse_lossy(&config.filter)
}

/// Whether logs are for people.
pub(super) fn is_human(config: &LogConfig) -> bool {
    match config.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stderr().is_terminal(),
    }
}
