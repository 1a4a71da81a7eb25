//! gRPC connections as they come in: admitted by number, with a back-off when accepting fails, and a deadline for the handshake.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Sleep, sleep},
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use super::admission::{Admission, Place};
use crate::{
    gateway::Gateway,
    limits::LiveLimits,
    metrics::{Door, Metrics},
    net,
};

/// The HTTP/2 connection preface (RFC 9113, section 3.4) is this long; the SETTINGS frame after it comes with it.
const PREFACE_BYTES: usize = 24;

const SHORTEST_REST: Duration = Duration::from_millis(5);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Accepts until `stop`, and comes to its end at `end`, which makes the server say GOAWAY.
#[expect(clippy::disallowed_methods, reason = "the server owns its tasks")]
pub(super) fn incoming(
    listener: TcpListener,
    gateway: &Gateway,
    stop: CancellationToken,
    end: CancellationToken,
) -> impl Stream<Item = io::Result<Connection>> + use<> {
    let (limits, metrics) = (Arc::clone(&gateway.limits), Arc::clone(&gateway.metrics));
    let admission = Admission::new(Arc::clone(&limits));
    let (out, stream) = mpsc::channel(1);
    let held = out.clone();
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
                    let connection = Connection::new(stream, place, &limits, &metrics);
                    if out.send(Ok(connection)).await.is_err() {
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

/// A gRPC connection. Reading fails when the preface has not come in time, or the place is needed, or the connection is too old;
/// that ends it.
pub(super) struct Connection {
    stream: TcpStream,
    preface: Option<Preface>,
    /// When its age has come. hyper says GOAWAY long before.
    end: Option<Pin<Box<Sleep>>>,
    place: Place,
    metrics: Arc<Metrics>,
}

/// What a connection is allowed while it has not sent its preface.
struct Preface {
    /// How much of it has come.
    come: usize,
    deadline: Pin<Box<Sleep>>,
    pushed_out: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    fn new(stream: TcpStream, place: Place, limits: &LiveLimits, metrics: &Arc<Metrics>) -> Self {
        metrics.doors.grpc_accepted.increment();
        metrics.doors.grpc_open.enter();
        let limits = limits.now();
        let preface = Preface {
            come: 0,
            deadline: Box::pin(sleep(limits.grpc_preface_timeout)),
            pushed_out: Box::pin(place.pushed_out.clone().cancelled_owned()),
        };
        let age = (!limits.grpc_connection_age.is_zero())
            .then(|| limits.grpc_connection_age + limits.grpc_connection_age_grace);
        Self {
            stream,
            preface: Some(preface),
            end: age.map(|age| Box::pin(sleep(age))),
            place,
            metrics: Arc::clone(metrics),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.metrics.doors.grpc_open.leave();
    }
}

impl Preface {
    /// Ready when the connection has had its time.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.pushed_out.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        self.deadline.as_mut().poll(cx)
    }
}

impl Connected for Connection {
    type ConnectInfo = Option<SocketAddr>;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.peer_addr().ok()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if let Some(preface) = &mut this.preface {
            preface.come += buffer.filled().len() - before;
            if preface.come >= PREFACE_BYTES {
                this.preface = None;
                this.place.handshake_done();
            } else if preface.poll_over(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        if read.is_pending()
            && let Some(end) = &mut this.end
        {
            ready!(end.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
