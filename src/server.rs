//! The gRPC server: accepting, HTTP/2 settings, health, reflection, and the way down.
//!
//! tonic's own accept loop neither backs off when file descriptors are used up, nor bounds connections, nor ends those that never
//! finish the HTTP/2 preface; `incoming` does.

mod admission;
mod attempts;
mod authentication;
mod calls;
mod connection;
mod incoming;
#[cfg(test)]
mod tests;
mod watched;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Router;
use tonic_health::{ServingStatus, pb::FILE_DESCRIPTOR_SET as HEALTH_DESCRIPTORS, server::HealthReporter};
use tonic_reflection::pb::{v1 as reflection_v1, v1alpha as reflection_v1alpha};
use tower_layer::{Identity, Stack};

pub use self::calls::CALLS;
use self::{
    authentication::{Authentication, Open},
    calls::CountCalls,
    incoming::incoming,
};
use crate::{
    api::{
        Callers, GatewayService, SessionsService,
        proto::{
            DESCRIPTORS, session_service_server::SessionServiceServer,
            streamed::socket_gateway_service_server::SocketGatewayServiceServer,
        },
    },
    credentials::Live,
    gateway::Gateway,
    limits::{Limits, LiveLimits},
    net,
};

/// The services that health tells about; "" stands for the whole.
const SERVICES: [&str; 3] = ["", "tcpip.v1.SocketGatewayService", "tcpip.v1.SessionService"];

/// A vanished client is noticed after interval and timeout together.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Receive windows: measured best for uploads over Attach among 64 KiB to 1 MiB per stream.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
const MAX_FRAME: u32 = 64 * 1024;
/// Streams that the server has reset because of the client's mistakes, and whose frames it still has to put up with.
const ERROR_RESETS: usize = 256;

/// Probes come one at a time; a few may be late to leave.
const HEALTH_CONNECTIONS: usize = 16;
const HEALTH_BACKLOG: u32 = 16;

/// Final words to clients whose streams have ended: they are still on their way to a client that reads slowly.
const GOODBYE: Duration = Duration::from_secs(5);
/// What clients that still have streams get beyond the deadline.
const SHORTEST_GOODBYE: Duration = Duration::from_millis(500);

/// A server that is bound and knows its address.
pub struct Server {
    gateway: Arc<Gateway>,
    listener: TcpListener,
    local: SocketAddr,
    inherited: bool,
    doors: Doors,
    health: Option<TcpListener>,
}

/// Who may come in, and by which doors.
#[derive(Clone)]
pub struct Doors {
    /// TLS and identity; None: plaintext, and everybody is the local caller.
    pub credentials: Option<Arc<Live>>,
    /// Health is told without credentials.
    pub health_open: bool,
    /// Reflection is answered without credentials.
    pub reflection_open: bool,
    /// Where health is told besides, in plaintext and without credentials.
    pub health_listen: Option<SocketAddr>,
}

impl Default for Doors {
    fn default() -> Self {
        Self { credentials: None, health_open: true, reflection_open: false, health_listen: None }
    }
}

impl Server {
    /// Binds the gRPC port.
    ///
    /// # Errors
    /// What the system says to the bind.
    pub fn bind(gateway: Arc<Gateway>, address: SocketAddr) -> io::Result<Self> {
        let listener = net::tcp::listen(address, 0, gateway.limits.now().listen_backlog)?;
        let local = listener.local_addr()?;
        gateway.policy.add_own_port(local.port());
        Ok(Self { gateway, listener, local, inherited: false, doors: Doors::default(), health: None })
    }

    /// Takes over a gRPC port that listens already. On the way down it is left alone at once: whoever comes then is served by the
    /// next process that has the socket.
    ///
    /// # Errors
    /// What the system says.
    pub fn inherit(gateway: Arc<Gateway>, socket: std::net::TcpListener) -> io::Result<Self> {
        let listener = net::tcp::inherit(socket)?;
        let local = listener.local_addr()?;
        gateway.policy.add_own_port(local.port());
        Ok(Self { gateway, listener, local, inherited: true, doors: Doors::default(), health: None })
    }

    /// Says who may come in, and binds the port for health where it is one of its own.
    ///
    /// # Errors
    /// What the system says to the bind.
    pub fn with_doors(mut self, doors: Doors) -> io::Result<Self> {
        self.health = doors.health_listen.map(|address| net::tcp::listen(address, 0, HEALTH_BACKLOG)).transpose()?;
        self.doors = doors;
        if let Some(health) = self.health_addr() {
            self.gateway.policy.add_own_port(health.port());
        }
        Ok(self)
    }

    /// The bound address for health, where it is one of its own.
    pub fn health_addr(&self) -> Option<SocketAddr> {
        self.health.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// The bound address.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Serves until `stop`, then drains: health says NOT_SERVING, nothing new is opened, sessions and streams end in order, and
    /// what is left at the shutdown timeout is cut. `kill` cuts at once.
    ///
    /// # Errors
    /// Where the server fails.
    #[expect(clippy::disallowed_methods, reason = "the server owns its tasks")]
    pub async fn serve(self, stop: CancellationToken, kill: CancellationToken) -> Result<(), tonic::transport::Error> {
        let (health, router, health_alone) = router(&self.gateway, &self.doors);
        // Connections end when the streams have, and come in until then: while the sessions wind down, health says NOT_SERVING and
        // new calls are told why they fail.
        let streams_ended = CancellationToken::new();
        let accepting_ends = if self.inherited { stop.clone() } else { streams_ended.clone() };
        let (limits, metrics) = (&self.gateway.limits, &self.gateway.metrics);
        let credentials = self.doors.credentials.clone();
        let come_in = |listener, limits: &Arc<LiveLimits>, credentials, stop| {
            incoming(listener, (Arc::clone(limits), Arc::clone(metrics)), credentials, stop, streams_ended.clone())
        };
        let incoming = come_in(self.listener, limits, credentials, accepting_ends);
        let probes = self.health.map(|listener| {
            let few = Limits { grpc_connections: HEALTH_CONNECTIONS, ..limits.keep().as_ref().clone() };
            let probes = come_in(listener, &Arc::new(LiveLimits::new(few)), None, streams_ended.clone());
            tokio::spawn(health_alone.serve_with_incoming_shutdown(probes, streams_ended.clone().cancelled_owned()))
        });
        let sweeper = tokio::spawn(Arc::clone(&self.gateway).sweep(streams_ended.clone()));
        let server =
            tokio::spawn(router.serve_with_incoming_shutdown(incoming, streams_ended.clone().cancelled_owned()));
        announce(&health).await;
        let mut server = std::pin::pin!(server);
        let result = tokio::select! {
            () = stop.cancelled() => None,
            () = kill.cancelled() => None,
            ended = &mut server => Some(ended),
        };
        if result.is_none() {
            self.gateway.announce_stop();
            for service in SERVICES {
                health.set_service_status(service, ServingStatus::NotServing).await;
            }
            let draining = async {
                let delay = self.gateway.limits.now().drain_delay;
                tokio::time::sleep(delay).await;
                let deadline = Instant::now() + self.gateway.limits.now().shutdown_timeout;
                self.gateway.drain(deadline).await;
                streams_ended.cancel();
                // A client that takes nothing more must not hold the process, nor one that is silent.
                let patience = deadline.max(Instant::now() + SHORTEST_GOODBYE);
                let silent = async {
                    self.gateway.streams_gone().await;
                    tokio::time::sleep(GOODBYE).await;
                };
                tokio::select! {
                    _ = &mut server => {}
                    () = tokio::time::sleep_until(patience) => {}
                    () = silent => {}
                }
            };
            if kill.run_until_cancelled(draining).await.is_none() {
                self.gateway.registry.start_draining();
                self.gateway.registry.abort_all();
            }
        }
        streams_ended.cancel();
        server.abort();
        if let Some(probes) = probes {
            probes.abort();
        }
        let _ = sweeper.await;
        match result {
            Some(Ok(ended)) => ended,
            _ => Ok(()),
        }
    }
}

/// The layers around the services, the outermost last.
type Layers = Stack<Authentication, Stack<CountCalls, Identity>>;

/// The services behind the layers that count calls and ask who calls, and health alone.
fn router(gateway: &Arc<Gateway>, doors: &Doors) -> (HealthReporter, Router<Layers>, Router) {
    let limits = &gateway.limits.keep();
    let asked = doors.credentials.clone().filter(|live| live.has_identity());
    let callers = if asked.is_some() { Callers::identified() } else { Callers::local() };
    let open = Open { health: doors.health_open, reflection: doors.reflection_open };
    let (health, health_service) = tonic_health::server::health_reporter();
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(HEALTH_DESCRIPTORS)
            // Each version lists the other as well, so that either can be called by what reflection tells.
            .register_encoded_file_descriptor_set(reflection_v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(reflection_v1alpha::FILE_DESCRIPTOR_SET)
            // Without these, clients cannot show the details of errors.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let sockets = SocketGatewayServiceServer::new(GatewayService::new(Arc::clone(gateway), callers.clone()))
        .max_decoding_message_size(limits.grpc_message_bytes);
    let sessions = SessionServiceServer::new(SessionsService::new(Arc::clone(gateway), callers))
        .max_decoding_message_size(limits.grpc_message_bytes);
    let health_alone = builder(limits).add_service(health_service.clone());
    let router = builder(limits)
        .layer(CountCalls::new(gateway))
        .layer(Authentication::new(asked, open, gateway))
        .add_service(sockets)
        .add_service(sessions)
        .add_service(health_service)
        .add_service(reflection().build_v1().expect("the descriptors are compiled in"))
        .add_service(reflection().build_v1alpha().expect("the descriptors are compiled in"));
    (health, router, health_alone)
}

fn builder(limits: &Limits) -> tonic::transport::Server {
    let builder = tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_concurrent_streams(limits.grpc_streams_per_connection)
        .http2_max_pending_accept_reset_streams(Some(limits.grpc_pending_resets))
        .http2_max_local_error_reset_streams(Some(ERROR_RESETS))
        .http2_max_header_list_size(limits.grpc_header_bytes);
    // Without tonic's grace, which takes the GOAWAY away: `incoming` cuts what is left.
    match limits.grpc_connection_age {
        Duration::ZERO => builder,
        age => builder.max_connection_age(age),
    }
}

/// Says that the services are up.
async fn announce(health: &HealthReporter) {
    for service in SERVICES {
        health.set_service_status(service, ServingStatus::Serving).await;
    }
}
