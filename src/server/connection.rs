//! One gRPC connection: its stream, plain or TLS, its deadline for the preface, and who is at the other end.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, atomic::AtomicBool},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep, sleep_until},
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::Connected;

use super::admission::Place;
use crate::{identity::CertificateNames, limits::LiveLimits, metrics::Metrics};

/// The HTTP/2 connection preface (RFC 9113, section 3.4) is this long; the SETTINGS frame after it comes with it.
const PREFACE_BYTES: usize = 24;

/// Who is at the other end of a connection; in the extensions of each of its requests.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) address: Option<SocketAddr>,
    /// Of the client certificate, which TLS has checked.
    pub(super) names: Option<Arc<CertificateNames>>,
    /// Whether the last credentials it showed were good.
    pub(super) known: Arc<AtomicBool>,
}

/// A gRPC connection. Reading fails when the preface has not come in time, or the place is needed, or the connection is too old;
/// that ends it.
pub(super) struct Connection {
    stream: Transport,
    peer: Peer,
    preface: Option<Preface>,
    /// When its age has come. hyper says GOAWAY long before.
    end: Option<Pin<Box<Sleep>>>,
    place: Place,
    metrics: Arc<Metrics>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.metrics.doors.grpc_open.leave();
    }
}

/// What a connection is allowed while it has not sent its preface.
struct Preface {
    /// How much of it has come.
    come: usize,
    deadline: Pin<Box<Sleep>>,
    pushed_out: Pin<Box<WaitForCancellationFutureOwned>>,
}

pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    fn peer(&self) -> Peer {
        match self {
            Self::Plain(stream) => Peer { address: stream.peer_addr().ok(), names: None, known: Arc::default() },
            Self::Tls(stream) => {
                let (stream, session) = stream.get_ref();
                let certificate = session.peer_certificates().and_then(<[_]>::first);
                let names = certificate.and_then(|certificate| CertificateNames::of(certificate));
                Peer { address: stream.peer_addr().ok(), names: names.map(Arc::new), known: Arc::default() }
            }
        }
    }
}

impl Connection {
    /// A connection that has until `deadline` to send its preface.
    pub(super) fn new(
        stream: Transport,
        place: Place,
        deadline: Instant,
        limits: &LiveLimits,
        metrics: &Arc<Metrics>,
    ) -> Self {
        metrics.doors.grpc_accepted.increment();
        metrics.doors.grpc_open.enter();
        let limits = limits.now();
        let preface = Preface {
            come: 0,
            deadline: Box::pin(sleep_until(deadline)),
            pushed_out: Box::pin(place.pushed_out.clone().cancelled_owned()),
        };
        let age = (!limits.grpc_connection_age.is_zero())
            .then(|| limits.grpc_connection_age + limits.grpc_connection_age_grace);
        let peer = stream.peer();
        let end = age.map(|age| Box::pin(sleep(age)));
        Self { stream, peer, preface: Some(preface), end, place, metrics: Arc::clone(metrics) }
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
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let read = match &mut this.stream {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
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
        match &mut self.stream {
            Transport::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Transport::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
