//! `serve`: from a configuration to a running gateway, and to its end.

use std::{convert::Infallible, io, net::SocketAddr, num::NonZero, sync::Arc, thread, time::Duration};

use anyhow::{Context, anyhow};
use sd_notify::NotifyState;
use tokio::{
    runtime::{Builder, Handle, Runtime, RuntimeFlavor},
    sync::oneshot,
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use super::{
    activation::Inherited,
    descriptors::fit_descriptors,
    logging::{self, Logs},
    reload::Reload,
    signals::{Asked, Signals},
    traces::Traces,
};
use crate::{
    admin::AdminServer,
    config::{self, Config, RuntimeConfig},
    credentials::{Live, Problem},
    error::io_sentence,
    gateway::Gateway,
    server::{Doors, Server},
};

/// What everything runs on. A single thread has no queue that others may take from and nobody to wake, which saves up to a third of the
/// processor time of a call (docs/benchmark.md).
pub(super) fn runtime(config: &RuntimeConfig) -> anyhow::Result<Runtime> {
    let threads = match config.threads {
        0 => thread::available_parallelism().map_or(1, NonZero::get),
        threads => threads,
    };
    let mut builder = if threads == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.worker_threads(threads).enable_all().build().context("cannot start threads")
}

/// Serves until a signal.
pub(super) fn run(
    runtime: Runtime,
    config: &Config,
    reload: Reload,
    inherited: Inherited,
    logs: &Logs,
    traces: &Traces,
) -> anyhow::Result<()> {
    let result = runtime.block_on(serve(config, reload, inherited, logs));
    finish(traces, &runtime);
    // A name lookup may hang in the system's resolver: nobody waits for its answer any more.
    runtime.shutdown_background();
    result
}

/// Does what blocks for a moment; other threads go on where there are some.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => work(),
        _ => tokio::task::block_in_place(work),
    }
}

/// Sends what is queued of traces while the runtime goes on: with a single thread nobody else would carry it out.
fn finish(traces: &Traces, runtime: &Runtime) {
    thread::scope(|scope| {
        let (done, finished) = oneshot::channel();
        scope.spawn(|| {
            traces.finish();
            let _ = done.send(());
        });
        let _ = runtime.block_on(finished);
    });
}

async fn serve(config: &Config, mut reload: Reload, inherited: Inherited, logs: &Logs) -> anyhow::Result<()> {
    let mut signals = Signals::catch().context("cannot catch signals")?;
    let mut limits = config.limits.clone();
    fit_descriptors(&mut limits);
    let gateway = match &config.audit.file {
        Some(target) => Gateway::audited(limits, target)
            .map_err(|error| anyhow!("audit.file: {target} cannot be opened: {}", io_sentence(&error)))?,
        None => Gateway::new(limits),
    };
    gateway.usages.replace(config.quotas());
    gateway.policy.replace(Arc::new(config.policy()));
    let credentials = credentials(config)?;
    let mut reload_asked = false;
    let (server, admin) = tokio::select! {
        biased;
        signal = asked_to_end(&mut signals, &mut reload_asked) => {
            tracing::info!(signal, "stopped before the start was over");
            return Ok(());
        }
        started = start(config, &gateway, &credentials, inherited) => started?,
    };
    announce(config, &gateway, &server);
    notify(&[NotifyState::Ready]);
    if reload_asked {
        reload.reload(&gateway, &credentials, logs);
    }
    let mut watching = std::pin::pin!(watch_files(config, &credentials));
    let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
    let mut serving = std::pin::pin!(server.serve(stop.clone(), kill.clone()));
    let mut watched = std::pin::pin!(watched(admin));
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let asked = tokio::select! {
            never = &mut watching => match never {},
            _ = look.tick() => {
                logs.tell_lost();
                continue;
            }
            ended = &mut serving => {
                ended.context("the gRPC server failed")?;
                break;
            }
            asked = signals.next() => asked,
            // It answers to the very end: how the way down goes is worth a look as well.
            never = &mut watched => match never {},
        };
        match asked {
            Asked::Reload if stop.is_cancelled() => tracing::warn!("no reload: the gateway is stopping"),
            Asked::Reload => reload_announced(&mut reload, &gateway, &credentials, logs),
            Asked::End(signal) if stop.is_cancelled() => {
                tracing::warn!(signal, "ending at once: what is open is cut");
                kill.cancel();
            }
            Asked::End(signal) => {
                tracing::info!(signal, "stopping: sessions are closed in order; a second signal ends at once");
                let limits = gateway.limits.now();
                let within = limits.drain_delay + limits.shutdown_timeout + STOP_RESERVE;
                let within = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
                notify(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(within)]);
                stop.cancel();
            }
        }
    }
    // Whoever reads the pipe it may go to must not hold the process.
    if !blocking(|| gateway.audit.flush(LAST_RECORDS)) {
        tracing::warn!("audit records are lost: they were not written in time");
    }
    tracing::info!("stopped");
    Ok(())
}

/// How long the end waits for audit records to be written.
const LAST_RECORDS: Duration = Duration::from_secs(2);

/// How often is looked after what nobody tells by itself.
const LOOK: Duration = Duration::from_secs(1);

/// What the process needs beyond the shutdown timeout to end.
const STOP_RESERVE: Duration = Duration::from_secs(5);

/// Waits for a signal to end; a reload that is asked for meanwhile is noted.
async fn asked_to_end(signals: &mut Signals, reload_asked: &mut bool) -> &'static str {
    loop {
        match signals.next().await {
            Asked::End(signal) => return signal,
            Asked::Reload => *reload_asked = true,
        }
    }
}

/// Binds everything. Whatever cannot be bound is told at once.
async fn start(
    config: &Config,
    gateway: &Arc<Gateway>,
    credentials: &Arc<Live>,
    mut inherited: Inherited,
) -> anyhow::Result<(Server, Option<AdminServer>)> {
    let bound = match inherited.grpc(&config.declarations) {
        Some(socket) => Server::inherit(Arc::clone(gateway), socket),
        None => Server::bind(Arc::clone(gateway), config.listen),
    };
    let admin = config.admin.listen.map(|address| {
        AdminServer::bind(Arc::clone(gateway), address).map_err(|error| cannot_listen(ADMIN, address, &error))
    });
    let admin = admin.transpose();
    let opened = config::open(gateway, &config.declarations, |name| inherited.named(name)).await;
    match (bound, admin, opened) {
        (Ok(server), Ok(admin), Ok(())) => {
            inherited.check_all_taken()?;
            // A socket of a service manager is where that put it, not where the configuration says.
            config.check_exposure(server.local_addr()).map_err(|sentence| anyhow!("listen: {sentence}"))?;
            let doors = Doors {
                credentials: Some(Arc::clone(credentials)),
                health_open: config.identity.health_open,
                reflection_open: config.identity.reflection_open,
                health_listen: config.health.listen,
            };
            let health = config.health.listen;
            let server = server.with_doors(doors).map_err(|error| {
                let address = health.map(|address| address.to_string()).unwrap_or_default();
                anyhow!("cannot listen on {address} (health.listen): {}", io_sentence(&error))
            })?;
            Ok((server, admin))
        }
        (bound, admin, opened) => {
            let address = bound.err().map(|error| cannot_listen(GRPC, config.listen, &error));
            let faults = opened.err().map(|faults| faults.to_string());
            let all = address.into_iter().chain(admin.err()).chain(faults);
            Err(anyhow!(all.collect::<Vec<_>>().join("\n")))
        }
    }
}

/// Serves the admin port where there is one, for as long as it is polled.
async fn watched(admin: Option<AdminServer>) -> Infallible {
    if let Some(admin) = admin {
        tracing::info!(address = %admin.local_addr(), "the admin server is ready: /metrics, /healthz, /readyz");
        admin.serve(CancellationToken::new()).await;
    }
    std::future::pending().await
}

/// Reads the configuration again; a service manager is told when that begins and ends.
fn reload_announced(reload: &mut Reload, gateway: &Arc<Gateway>, credentials: &Arc<Live>, logs: &Logs) {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "the service manager is not told of the reload"),
    }
    // A file that is slow to read holds up one thread, and the reload.
    blocking(|| reload.reload(gateway, credentials, logs));
    notify(&[NotifyState::Ready]);
}

/// Tells the service manager, where there is one (NOTIFY_SOCKET, sd_notify(3)).
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

/// The credentials of a configuration. Its files were read when it was checked; here they are read again.
fn credentials(config: &Config) -> anyhow::Result<Arc<Live>> {
    let told =
        |problems: Vec<Problem>| problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("\n");
    Live::load(config.sources()).map(Arc::new).map_err(|problems| anyhow!(told(problems)))
}

/// Looks for changed certificates and keys for as long as it is polled.
async fn watch_files(config: &Config, credentials: &Arc<Live>) -> Infallible {
    let every = config.identity.poll_interval;
    if every.is_zero() {
        return std::future::pending().await;
    }
    Arc::clone(credentials).watch_files(every).await
}

fn announce(config: &Config, gateway: &Gateway, server: &Server) {
    let (version, address) = (env!("CARGO_PKG_VERSION"), server.local_addr());
    let tls = !config.tls.certificate.is_empty();
    let identity = config.has_identity();
    tracing::info!(%address, version, instance = %gateway.instance_id, tls, identity, "socket-gateway is ready");
    if let Some(address) = server.health_addr() {
        tracing::info!(%address, "health alone is told here as well, without credentials");
    }
    if logging::is_human(&config.log) && !tls && !identity {
        tracing::info!("try: grpcurl -plaintext {address} list");
    }
    if !identity && address.ip().to_canonical().is_loopback() {
        tracing::info!(
            "nobody is asked who they are: every program of this machine may open sockets, none of other machines; `socket-gateway \
             token` begins to change that"
        );
    } else if !identity {
        tracing::warn!(
            %address,
            "nobody is asked who they are: whoever reaches this address can open sockets from this machine, as \
             insecure.allow_anyone_to_open_sockets says"
        );
    }
}

/// The flags that say where to listen.
const GRPC: &str = "--listen";
const ADMIN: &str = "--set admin.listen=ADDRESS:PORT";

/// What the system said, and what to do about it.
fn cannot_listen(flag: &str, address: SocketAddr, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program, perhaps another socket-gateway, has it: end that, or choose another address with"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 need privileges: choose another with",
        io::ErrorKind::AddrNotAvailable => "it is no address of this machine: choose another with",
        _ => "choose another address with",
    };
    format!("cannot listen on {address}: {}; {advice} {flag}", io_sentence(error))
}
