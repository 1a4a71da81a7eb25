//! `serve`: from a configuration to a running gateway, and to its end.

use std::{convert::Infallible, io, net::SocketAddr};

use anyhow::{Context, anyhow};
use tokio_util::sync::CancellationToken;

use super::{logging, signals::Signals};
use crate::{
    admin::AdminServer,
    config::{self, Config},
    error::io_sentence,
    gateway::Gateway,
    limits::Limits,
    net::descriptors,
    server::Server,
};

/// Serves until a signal.
pub(super) fn run(config: &Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let result = runtime.block_on(serve(config));
    // A name lookup may hang in the system's resolver: nobody waits for its answer any more.
    runtime.shutdown_background();
    result
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    let signals = Signals::catch().context("cannot catch signals")?;
    raise_descriptor_limit(&config.limits);
    let gateway = Gateway::new(config.limits.clone());
    let bound = Server::bind(gateway.clone(), config.listen);
    let admin = config.admin.listen.map(|address| {
        AdminServer::bind(gateway.clone(), address).map_err(|error| cannot_listen("admin.listen", address, &error))
    });
    let admin = admin.transpose();
    let opened = config::open(&gateway, &config.declarations).await;
    let (server, admin) = match (bound, admin, opened) {
        (Ok(server), Ok(admin), Ok(())) => (server, admin),
        (bound, admin, opened) => {
            let address = bound.err().map(|error| cannot_listen("listen", config.listen, &error));
            let faults = opened.err().map(|faults| faults.to_string());
            let all = address.into_iter().chain(admin.err()).chain(faults);
            return Err(anyhow!(all.collect::<Vec<_>>().join("\n")));
        }
    };
    announce(config, &gateway, server.local_addr());
    let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
    tokio::select! {
        ended = server.serve(stop.clone(), kill.clone()) => ended.context("the gRPC server failed")?,
        never = signals.pass_on(&stop, &kill) => match never {},
        // It answers to the very end: how the way down goes is worth a look as well.
        never = watched(admin) => match never {},
    }
    tracing::info!("stopped");
    Ok(())
}

/// Serves the admin port where there is one, for as long as it is polled.
async fn watched(admin: Option<AdminServer>) -> Infallible {
    if let Some(admin) = admin {
        tracing::info!(address = %admin.local_addr(), "admin server is ready: /metrics, /healthz, /readyz");
        admin.serve(CancellationToken::new()).await;
    }
    std::future::pending().await
}

/// Sessions, listeners and gRPC connections take a file descriptor each. With fewer the gateway runs, and rests where they are used
/// up; but who asks for many sessions should know.
fn raise_descriptor_limit(limits: &Limits) {
    let wanted = (limits.sessions + limits.listeners + limits.grpc_connections) as u64;
    match descriptors::raise_limit() {
        Ok(limit) if limit < wanted => tracing::warn!(
            limit,
            wanted,
            "fewer file descriptors than the limits allow sessions, listeners and connections: raise the hard limit (ulimit -Hn)"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of file descriptors could not be raised"),
    }
}

fn announce(config: &Config, gateway: &Gateway, address: SocketAddr) {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(%address, version, instance = %gateway.instance_id, "socket-gateway is ready");
    if logging::is_human(&config.log) {
        tracing::info!("try: grpcurl -plaintext {address} list");
    }
    if !address.ip().is_loopback() {
        tracing::warn!(
            %address,
            "there is no authentication yet: whoever reaches this address can open sockets from this machine; \
             stay on loopback (listen = \"127.0.0.1:50051\"), or let a firewall or proxy decide who comes through"
        );
    }
}

/// What the system said, and what to do about it.
fn cannot_listen(setting: &str, address: SocketAddr, error: &io::Error) -> String {
    let problem = match error.kind() {
        io::ErrorKind::AddrInUse => "another program, perhaps another socket-gateway, has it: end that, or ",
        io::ErrorKind::PermissionDenied => "ports below 1024 need privileges: ",
        io::ErrorKind::AddrNotAvailable => "it is no address of this machine: ",
        _ => "",
    };
    let flag = if setting == "listen" { "--listen".to_owned() } else { format!("--set {setting}=ADDRESS:PORT") };
    format!("cannot listen on {address}: {}; {problem}choose another address with {flag}", io_sentence(error))
}
