//! Every metric with its name and what it means, and the page of all of them.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::Registry,
};

use super::{
    Action, DialOutcome, Door, ExchangeOutcome, LookupOutcome, Metrics, Picture, Process, Runtime, Traffic,
    classic::classic,
    page::{Labels, Page},
};
use crate::envelope::{CloseReason, Kind, State};

/// In which format a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus text 0.0.4.
    Classic,
}

impl Format {
    /// The format to answer a scraper with, by its Accept header.
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Classic }
    }

    /// The Content-Type of such a page.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// A page of all metrics.
pub fn expose(metrics: &Arc<Metrics>, picture: Picture, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot {
        metrics: Arc::clone(metrics),
        picture,
        process: Process::now(),
        runtime: Runtime::now().unwrap_or_default(),
    }));
    let mut page = String::with_capacity(32 * 1024);
    text::encode(&mut page, &registry).expect("writing to a string cannot fail");
    match format {
        Format::OpenMetrics => page,
        Format::Classic => classic(&page),
    }
}

#[derive(Debug)]
struct Snapshot {
    metrics: Arc<Metrics>,
    picture: Picture,
    process: Process,
    runtime: Runtime,
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.sessions(&mut page)?;
        self.traffic(&mut page)?;
        self.dials(&mut page)?;
        self.delivery(&mut page)?;
        self.exchanges(&mut page)?;
        self.calls(&mut page)?;
        self.doors(&mut page)?;
        self.records(&mut page)?;
        self.gateway(&mut page)?;
        self.process(&mut page)
    }
}

fn by_kind<'a>() -> impl Iterator<Item = (usize, &'static str)> + use<'a> {
    Kind::ALL.iter().map(|kind| (*kind as usize, kind.as_str()))
}

impl Snapshot {
    fn sessions(&self, page: &mut Page<'_>) -> fmt::Result {
        let (metrics, picture) = (&self.metrics.sessions, &self.picture);
        let live = by_kind().flat_map(|(at, kind)| {
            State::ALL.iter().map(move |state| {
                let labels: Labels<2> = [("kind", kind), ("state", state.as_label())];
                (labels, picture.sessions[at][*state as usize])
            })
        });
        page.gauges("socket_gateway_sessions", "Live sessions by kind and state.", live)?;
        let opened = by_kind().map(|(at, kind)| ([("kind", kind)], metrics.opened[at].get()));
        page.counters("socket_gateway_sessions_opened", "Sessions opened, dials that failed included.", opened)?;
        let closed = by_kind().flat_map(|(at, kind)| {
            CloseReason::ALL.iter().map(move |reason| {
                ([("kind", kind), ("reason", reason.as_label())], metrics.closed[at][*reason as usize].get())
            })
        });
        page.counters("socket_gateway_sessions_closed", "Sessions ended, by why.", closed)?;
        page.gauge("socket_gateway_listeners", "Live TCP listeners.", picture.listeners)?;
        page.counter("socket_gateway_listeners_opened", "TCP listeners opened.", metrics.listeners_opened.get())
    }

    fn traffic(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut traffic = self.picture.traffic;
        traffic[Kind::Udp as usize].bytes_sent += self.metrics.sessions.lone_datagram_bytes.get();
        traffic[Kind::Udp as usize].datagrams_sent += self.metrics.sessions.lone_datagrams.get();
        let bytes = by_kind().flat_map(|(at, kind)| {
            let Traffic { bytes_received, bytes_sent, .. } = traffic[at];
            [
                ([("direction", "received"), ("kind", kind)], bytes_received),
                ([("direction", "sent"), ("kind", kind)], bytes_sent),
            ]
        });
        page.counters("socket_gateway_bytes", "Payload bytes moved between sockets and the gateway.", bytes)?;
        let udp = traffic[Kind::Udp as usize];
        let datagrams =
            [([("direction", "received")], udp.datagrams_received), ([("direction", "sent")], udp.datagrams_sent)];
        page.counters("socket_gateway_datagrams", "Datagrams moved between sockets and the gateway.", datagrams)?;
        let delivery = &self.metrics.delivery;
        let dropped = [
            ([("by", "backlog")], delivery.dropped_by_backlog.get()),
            ([("by", "kernel")], delivery.dropped_by_kernel.get()),
            ([("by", "quota")], delivery.dropped_by_quota.get()),
        ];
        page.counters(
            "socket_gateway_datagrams_dropped",
            "Datagrams dropped: by a full backlog, by the rate of a quota, or by the kernel because the socket's buffer was full.",
            dropped,
        )?;
        page.gauge(
            "socket_gateway_send_queue_bytes",
            "Bytes of sends that wait for peers to read.",
            self.picture.send_queue_bytes,
        )
    }

    fn dials(&self, page: &mut Page<'_>) -> fmt::Result {
        let dials = &self.metrics.dials;
        page.gauge("socket_gateway_connects_pending", "Connection attempts under way.", self.picture.connects)?;
        page.histograms(
            "socket_gateway_connect_duration_seconds",
            "Dials from the call to their outcome, the name lookup included.",
            DialOutcome::NAMES.iter().zip(&dials.connects).map(|(outcome, times)| ([("outcome", *outcome)], times)),
        )?;
        page.histograms(
            "socket_gateway_dns_duration_seconds",
            "Name lookups; an address that is written out needs none.",
            LookupOutcome::NAMES.iter().zip(&dials.lookups).map(|(outcome, times)| ([("outcome", *outcome)], times)),
        )
    }

    fn delivery(&self, page: &mut Page<'_>) -> fmt::Result {
        let (metrics, backlogs) = (&self.metrics.delivery, &self.picture.backlogs);
        page.gauge("socket_gateway_subscribers", "Subscribers, with or without streams.", self.picture.subscribers)?;
        page.gauge("socket_gateway_subscriber_streams", "Streams attached to subscribers.", backlogs.streams)?;
        page.gauge("socket_gateway_backlog_bytes", "Undelivered or unacked bytes of all subscribers.", backlogs.bytes)?;
        page.gauge("socket_gateway_backlog_envelopes", "Undelivered or unacked envelopes.", backlogs.envelopes)?;
        page.gauge(
            "socket_gateway_backlog_largest_bytes",
            "Undelivered or unacked bytes of the subscriber that has most.",
            backlogs.largest_bytes,
        )?;
        page.fraction(
            "socket_gateway_backlog_oldest_seconds",
            "Age of the oldest undelivered or unacked envelope; 0 where there is none.",
            backlogs.oldest_seconds,
        )?;
        page.gauge(
            "socket_gateway_sessions_paused",
            "Sessions that are not read because a backlog is full.",
            backlogs.paused_sessions,
        )?;
        page.counter(
            "socket_gateway_read_pauses",
            "Times the reading of a session was paused because a backlog was full.",
            metrics.read_pauses.get(),
        )?;
        page.counter(
            "socket_gateway_reports_dropped",
            "Error and sent reports dropped because too many waited; their callers have them as answers.",
            metrics.reports_dropped.get(),
        )?;
        page.counter(
            "socket_gateway_streams_stalled",
            "Streams ended because they read nothing while the backlog was full.",
            metrics.streams_stalled.get(),
        )
    }

    fn exchanges(&self, page: &mut Page<'_>) -> fmt::Result {
        let metrics = &self.metrics.exchanges;
        page.gauge("socket_gateway_exchanges", "Sessions whose turn an exchange has.", self.picture.exchanges)?;
        page.gauge("socket_gateway_turn_waiters", "Calls that wait for a turn.", self.picture.turn_waiters)?;
        page.histogram(
            "socket_gateway_exchange_turn_wait_seconds",
            "How long exchanges waited for the turn, whether they got it or not.",
            &metrics.turn_wait,
        )?;
        let durations = ExchangeOutcome::NAMES.iter().zip(&metrics.durations);
        page.histograms(
            "socket_gateway_exchange_duration_seconds",
            "Exchanges from the call to their end, the wait for the turn included.",
            durations.map(|(outcome, times)| ([("outcome", *outcome)], times)),
        )
    }

    fn calls(&self, page: &mut Page<'_>) -> fmt::Result {
        let rpc = &self.metrics.rpc;
        let ended = rpc.ended().map(|(method, code, count)| ([("code", code), ("method", method)], count));
        page.counters("socket_gateway_rpcs", "Calls ended, by method and gRPC code.", ended)?;
        let open = rpc.open().map(|(method, count)| ([("method", method)], count));
        page.gauges("socket_gateway_rpcs_open", "Calls under way, streams included.", open)?;
        page.histograms(
            "socket_gateway_rpc_duration_seconds",
            "Calls from their headers to their trailers; of streams their whole life.",
            rpc.durations().map(|(method, times)| ([("method", method)], times)),
        )?;
        page.gauge("socket_gateway_watchers", "Watch streams.", self.picture.watchers)?;
        page.gauge("socket_gateway_grpc_connections", "gRPC connections.", self.metrics.doors.grpc_open.get())?;
        page.counter(
            "socket_gateway_grpc_connections_accepted",
            "gRPC connections accepted.",
            self.metrics.doors.grpc_accepted.get(),
        )
    }

    fn doors(&self, page: &mut Page<'_>) -> fmt::Result {
        let doors = &self.metrics.doors;
        page.counters(
            "socket_gateway_policy_denials",
            "Calls that the policy denied, by what they wanted to do.",
            Action::NAMES.iter().zip(&doors.denials).map(|(action, count)| ([("action", *action)], count.get())),
        )?;
        page.counters(
            "socket_gateway_accept_failures",
            "Connections that could not be accepted, mostly because file descriptors are used up.",
            Door::NAMES.iter().zip(&doors.accept_failures).map(|(door, count)| ([("door", *door)], count.get())),
        )?;
        page.counter(
            "socket_gateway_authentication_failures",
            "Calls without a credential that counts, also those whose credential was not looked at.",
            doors.authentication_failures.get(),
        )?;
        page.counter(
            "socket_gateway_handshake_failures",
            "TLS handshakes of gRPC connections that failed.",
            doors.handshake_failures.get(),
        )
    }

    fn records(&self, page: &mut Page<'_>) -> fmt::Result {
        let (audit, taps) = (&self.metrics.audit, &self.metrics.taps);
        page.counter("socket_gateway_audit_records", "Audit records written.", audit.written.get())?;
        page.counter(
            "socket_gateway_audit_records_dropped",
            "Audit records lost because writing was too slow, or failed.",
            audit.dropped.get(),
        )?;
        page.gauge("socket_gateway_taps", "Taps under way.", self.picture.taps)?;
        page.counter("socket_gateway_taps_begun", "Taps begun.", taps.begun.get())?;
        page.counter(
            "socket_gateway_tap_records_dropped",
            "Tap records lost because their reader was too slow.",
            taps.records_dropped.get(),
        )
    }

    fn gateway(&self, page: &mut Page<'_>) -> fmt::Result {
        let labels = [("version", env!("CARGO_PKG_VERSION"))];
        page.info("socket_gateway_build", "What is running.", &labels)?;
        page.gauge("socket_gateway_draining", "1 while the gateway is going down.", self.picture.draining.into())?;
        page.gauges(
            "socket_gateway_limit",
            "How much there may be, by the name of the setting.",
            self.picture.limits.iter().map(|(limit, most)| ([("limit", *limit)], *most)),
        )?;
        page.gauge("socket_gateway_runtime_workers", "Worker threads of the runtime.", self.runtime.workers)?;
        page.gauge("socket_gateway_runtime_tasks", "Tasks that have not ended.", self.runtime.alive_tasks)?;
        page.gauge(
            "socket_gateway_runtime_queued_tasks",
            "Tasks in the queue that all workers share.",
            self.runtime.queued_tasks,
        )
    }

    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        let Process { cpu_seconds, resident_bytes, virtual_bytes, open_descriptors, most_descriptors, threads } =
            self.process;
        page.fraction(
            "process_start_time_seconds",
            "Start time of the process, in seconds since 1970.",
            since_epoch(self.metrics.started),
        )?;
        if let Some(seconds) = cpu_seconds {
            page.fraction_counter("process_cpu_seconds", "User and system time in seconds.", seconds)?;
        }
        let gauges = [
            ("process_resident_memory_bytes", "Resident memory in bytes.", resident_bytes),
            ("process_virtual_memory_bytes", "Virtual memory in bytes.", virtual_bytes),
            ("process_open_fds", "Open file descriptors.", open_descriptors),
            ("process_max_fds", "How many file descriptors there may be.", most_descriptors),
            ("process_threads", "Threads.", threads),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                page.gauge(name, help, value)?;
            }
        }
        Ok(())
    }
}

fn since_epoch(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
