//! The admin server: metrics for scrapers, health and readiness for probes, over plain HTTP/1.1.
//!
//! It tells nothing about single sessions, takes no command, and asks for no credential: it belongs on an address that only the
//! platform reaches. It holds up neither the gateway nor its end: connections are bounded in number and in time.

mod answer;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use self::answer::answer;
use crate::{gateway::Gateway, metrics::Door, net};

const SHORTEST_REST: Duration = Duration::from_millis(5);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Connections that wait in the kernel.
const LISTEN_BACKLOG: u32 = 64;

/// No connection lives longer, whatever its client does or does not read. A scraper connects again.
const CONNECTION_AGE: Duration = Duration::from_secs(60);

/// A server that is bound and knows its address.
pub struct AdminServer {
    gateway: Arc<Gateway>,
    listener: TcpListener,
    local: SocketAddr,
}

impl AdminServer {
    /// Binds the admin port.
    ///
    /// # Errors
    /// What the system says to the bind.
    pub fn bind(gateway: Arc<Gateway>, address: SocketAddr) -> io::Result<Self> {
        let listener = net::tcp::listen(address, 0, LISTEN_BACKLOG)?;
        let local = listener.local_addr()?;
        gateway.policy.add_own_port(local.port());
        Ok(Self { gateway, listener, local })
    }

    /// The bound address.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Serves until `stop`; what is under way then is cut.
    pub async fn serve(self, stop: CancellationToken) {
        // Dropped with this future, which ends the connections.
        let mut serving = JoinSet::new();
        let accepting = self.accept(&mut serving);
        stop.run_until_cancelled(accepting).await;
    }

    async fn accept(&self, serving: &mut JoinSet<()>) -> Infallible {
        let connections = Arc::new(Semaphore::new(self.gateway.limits.now().admin_connections));
        let mut rest = SHORTEST_REST;
        loop {
            while serving.try_join_next().is_some() {}
            let permit = Arc::clone(&connections).acquire_owned().await.expect("it is never closed");
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    rest = SHORTEST_REST;
                    net::tcp::tune(&stream);
                    serving.spawn(serve_connection(Arc::clone(&self.gateway), stream, permit));
                }
                Err(error) => {
                    self.gateway.metrics.doors.accept_failed(Door::Admin);
                    tracing::warn!(%error, ?rest, "accepting an admin connection failed; resting");
                    sleep(rest).await;
                    rest = (rest * 2).min(LONGEST_REST);
                }
            }
        }
    }
}

async fn serve_connection(gateway: Arc<Gateway>, stream: TcpStream, permit: OwnedSemaphorePermit) {
    let header_timeout = gateway.limits.now().admin_header_timeout;
    let service = service_fn(move |request| answer(Arc::clone(&gateway), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .serve_connection(TokioIo::new(stream), service);
    // How a client leaves, or that it was too slow, is its own business.
    let _ = timeout(CONNECTION_AGE, connection).await;
    drop(permit);
}
