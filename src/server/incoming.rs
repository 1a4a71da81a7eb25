//! gRPC connections as they come in: bounded in number, with a back-off when accepting fails, and a deadline for the preface.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Sleep, sleep},
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use crate::{
    limits::Limits,
    metrics::{Door, Metrics},
    net,
};

/// The HTTP/2 connection preface (RFC 9113, section 3.4) is this long; the SETTINGS frame after it comes with it.
const PREFACE_BYTES: usize = 24;

const SHORTEST_REST: Duration = Duration::from_millis(5);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Accepts until `stop`. While as many connections as may be are open, the others wait in the kernel's queue.
#[expect(clippy::disallowed_methods, reason = "the server owns its tasks")]
pub(super) fn incoming(
    listener: TcpListener,
    limits: &Limits,
    metrics: &Arc<Metrics>,
    stop: CancellationToken,
) -> impl Stream<Item = io::Result<Connection>> + use<> {
    let connections = Arc::new(Semaphore::new(limits.grpc_connections));
    let preface_timeout = limits.grpc_preface_timeout;
    let metrics = Arc::clone(metrics);
    let (out, stream) = mpsc::channel(1);
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        let mut rest = SHORTEST_REST;
        loop {
            // Never closed: the semaphore lives as long as this task.
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    rest = SHORTEST_REST;
                    net::tcp::tune(&stream);
                    if out.send(Ok(Connection::new(stream, permit, preface_timeout, &metrics))).await.is_err() {
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
    }));
    ReceiverStream::new(stream)
}

/// A gRPC connection. Reading fails when the preface has not come in time, which ends it.
pub(super) struct Connection {
    stream: TcpStream,
    /// Until the preface is there: how much has come, and until when it must.
    preface: Option<(usize, Pin<Box<Sleep>>)>,
    metrics: Arc<Metrics>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    fn new(stream: TcpStream, permit: OwnedSemaphorePermit, preface_timeout: Duration, metrics: &Arc<Metrics>) -> Self {
        metrics.doors.grpc_accepted.increment();
        metrics.doors.grpc_open.enter();
        let preface = Some((0, Box::pin(sleep(preface_timeout))));
        Self { stream, preface, metrics: Arc::clone(metrics), _permit: permit }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.metrics.doors.grpc_open.leave();
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
        if let Some((come, deadline)) = &mut this.preface {
            *come += buffer.filled().len() - before;
            if *come >= PREFACE_BYTES {
                this.preface = None;
            } else if deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
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
