//! gRPC connections as they come in: bounded in number, with a back-off when accepting fails, and TLS handshakes that hold up nobody.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::AbortHandle,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Transport};
use crate::{credentials::Live, limits::Limits, net};

const SHORTEST_REST: Duration = Duration::from_millis(5);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Accepts until `stop`. While as many connections as may be are open, the others wait in the kernel's queue.
#[expect(clippy::disallowed_methods, reason = "the server owns its tasks")]
pub(super) fn incoming(
    listener: TcpListener,
    limits: &Limits,
    credentials: Option<Arc<Live>>,
    stop: CancellationToken,
) -> impl Stream<Item = io::Result<Connection>> + use<> {
    let connections = Arc::new(Semaphore::new(limits.grpc_connections));
    let (out, stream) = mpsc::channel(1);
    let mut entrance = Entrance {
        preface_timeout: limits.grpc_preface_timeout,
        handshake_timeout: limits.grpc_handshake_timeout,
        most_handshakes: limits.grpc_handshakes,
        handshakes: VecDeque::new(),
        out,
        stop: stop.clone(),
    };
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        let mut rest = SHORTEST_REST;
        loop {
            // Never closed: the semaphore lives as long as this task.
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    rest = SHORTEST_REST;
                    net::tcp::tune(&stream);
                    // Each handshake takes the certificate that is in force as it begins.
                    let tls = credentials.as_ref().and_then(|live| live.with(|credentials| credentials.tls.clone()));
                    match tls {
                        Some(tls) => entrance.shake_hands(stream, tls, permit),
                        None => entrance.let_in(Transport::Plain(stream), permit).await,
                    }
                    if entrance.out.is_closed() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, ?rest, "accepting a gRPC connection failed; resting");
                    sleep(rest).await;
                    rest = (rest * 2).min(LONGEST_REST);
                }
            }
        }
    }));
    ReceiverStream::new(stream)
}

struct Entrance {
    preface_timeout: Duration,
    handshake_timeout: Duration,
    most_handshakes: usize,
    /// Those under way, the oldest first.
    handshakes: VecDeque<AbortHandle>,
    out: mpsc::Sender<io::Result<Connection>>,
    stop: CancellationToken,
}

impl Entrance {
    async fn let_in(&self, stream: Transport, permit: OwnedSemaphorePermit) {
        // Where nobody takes connections any more, it is closed.
        let _ = self.out.send(Ok(Connection::new(stream, permit, self.preface_timeout))).await;
    }

    /// Each handshake has a task of its own. Where there are too many the oldest is given up: a client that means it needs a few
    /// milliseconds, one that does not is the oldest soon.
    #[expect(clippy::disallowed_methods, reason = "the server owns its tasks")]
    fn shake_hands(&mut self, stream: TcpStream, tls: Arc<ServerConfig>, permit: OwnedSemaphorePermit) {
        self.handshakes.retain(|handshake| !handshake.is_finished());
        if self.handshakes.len() >= self.most_handshakes
            && let Some(oldest) = self.handshakes.pop_front()
        {
            oldest.abort();
        }
        let (out, deadline, preface_timeout) = (self.out.clone(), self.handshake_timeout, self.preface_timeout);
        let handshake = async move {
            let peer = stream.peer_addr().ok();
            match timeout(deadline, TlsAcceptor::from(tls).accept(stream)).await {
                Ok(Ok(stream)) => {
                    let _ =
                        out.send(Ok(Connection::new(Transport::Tls(Box::new(stream)), permit, preface_timeout))).await;
                }
                Ok(Err(error)) => tracing::debug!(?peer, %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(?peer, "a TLS handshake took too long"),
            }
        };
        let handshake = tokio::spawn(self.stop.clone().run_until_cancelled_owned(handshake));
        self.handshakes.push_back(handshake.abort_handle());
    }
}
