//! gRPC connections as they come in: admitted by number, with a back-off when accepting fails, and a deadline for the handshake.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;

use super::{
    admission::{Admission, Place},
    connection::{Connection, Transport},
};
use crate::{
    credentials::Live,
    limits::LiveLimits,
    metrics::{Door, Metrics},
    net,
};

const SHORTEST_REST: Duration = Duration::from_millis(5);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Accepts until `stop`, and comes to its end at `end`, which makes the server say GOAWAY.
#[expect(clippy::disallowed_methods, reason = "the server owns its tasks")]
pub(super) fn incoming(
    listener: TcpListener,
    (limits, metrics): (Arc<LiveLimits>, Arc<Metrics>),
    credentials: Option<Arc<Live>>,
    stop: CancellationToken,
    end: CancellationToken,
) -> impl Stream<Item = io::Result<Connection>> + use<> {
    let admission = Admission::new(Arc::clone(&limits));
    let (out, stream) = mpsc::channel(1);
    let held = out.clone();
    let entrance = Entrance { limits, metrics: Arc::clone(&metrics), out, end: end.clone() };
    let accept = async move {
        let mut rest = SHORTEST_REST;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    rest = SHORTEST_REST;
                    let place = match admission.admit(peer.ip().to_canonical()) {
                        Ok(place) => place,
                        Err(error) => {
                            tracing::debug!(%peer, %error, "a gRPC connection was closed at once");
                            continue;
                        }
                    };
                    net::tcp::tune(&stream);
                    // Each handshake takes the certificate that is in force as it begins.
                    let tls = credentials.as_ref().and_then(|live| live.with(|credentials| credentials.tls.clone()));
                    let there = match tls {
                        Some(tls) => entrance.shake_hands(stream, tls, place),
                        None => entrance.let_in(Transport::Plain(stream), place).await,
                    };
                    if !there {
                        return;
                    }
                }
                Err(error) => {
                    metrics.doors.accept_failed(Door::Grpc);
                    tracing::warn!(%error, ?rest, "accepting a gRPC connection failed; resting");
                    sleep(rest).await;
                    rest = (rest * 2).min(LONGEST_REST);
                }
            }
        }
    };
    tokio::spawn(async move {
        let ended = end.clone();
        ended.run_until_cancelled(stop.run_until_cancelled_owned(accept)).await;
        end.cancelled().await;
        drop(held);
    });
    ReceiverStream::new(stream)
}

#[derive(Clone)]
struct Entrance {
    limits: Arc<LiveLimits>,
    metrics: Arc<Metrics>,
    out: mpsc::Sender<io::Result<Connection>>,
    end: CancellationToken,
}

impl Entrance {
    fn deadline(&self) -> Instant {
        Instant::now() + self.limits.now().grpc_preface_timeout
    }

    /// False where nobody takes connections any more.
    async fn let_in(&self, stream: Transport, place: Place) -> bool {
        self.out.send(Ok(Connection::new(stream, place, self.deadline(), &self.limits, &self.metrics))).await.is_ok()
    }

    /// Each handshake has a task of its own, and no more time than a connection without TLS has for its preface; the oldest gives way
    /// where there are too many.
    #[expect(clippy::disallowed_methods, reason = "the server owns its tasks")]
    fn shake_hands(&self, stream: TcpStream, tls: Arc<ServerConfig>, place: Place) -> bool {
        let (this, deadline) = (self.clone(), self.deadline());
        let peer = stream.peer_addr().ok();
        let handshake = async move {
            let pushed_out = place.pushed_out.clone();
            let handshake = timeout_at(deadline, TlsAcceptor::from(tls).accept(stream));
            match pushed_out.run_until_cancelled(handshake).await {
                Some(Ok(Ok(stream))) => {
                    let connection =
                        Connection::new(Transport::Tls(Box::new(stream)), place, deadline, &this.limits, &this.metrics);
                    // Where nobody takes connections any more it is closed.
                    let _ = this.out.send(Ok(connection)).await;
                }
                failed => {
                    this.metrics.doors.handshake_failures.increment();
                    match failed {
                        Some(Ok(Err(error))) => tracing::debug!(?peer, %error, "a TLS handshake failed"),
                        Some(_) => tracing::debug!(?peer, "a TLS handshake took too long"),
                        None => tracing::debug!(?peer, "a TLS handshake gave way to others"),
                    }
                }
            }
        };
        tokio::spawn(self.end.clone().run_until_cancelled_owned(handshake));
        !self.out.is_closed()
    }
}
