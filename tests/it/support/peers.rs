//! Far ends that behave, or do not.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A server; it ends with the test.
pub struct Peer {
    pub addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// Serves each connection with this.
    pub async fn serve<F, S>(serve: S) -> Self
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            let mut serving = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("no delay");
                serving.spawn(serve(stream));
            }
        });
        Self { addr, task }
    }

    /// Sends back what it gets, and ends when the other does.
    pub async fn echo() -> Self {
        Self::serve(|mut stream| async move {
            let (mut read, mut write) = stream.split();
            // The other side may end as it likes.
            let _ = tokio::io::copy(&mut read, &mut write).await;
        })
        .await
    }

    /// Says this, then waits for the other side to end.
    pub async fn says(what: &'static [u8]) -> Self {
        Self::serve(move |mut stream| async move {
            let _ = stream.write_all(what).await;
            drain(&mut stream).await;
        })
        .await
    }

    /// Says this and ends.
    pub async fn says_and_ends(what: &'static [u8]) -> Self {
        Self::serve(move |mut stream| async move {
            let _ = stream.write_all(what).await;
        })
        .await
    }

    /// Accepts and neither reads nor writes.
    pub async fn stuck() -> Self {
        Self::serve(|stream| async move {
            let _kept = stream;
            std::future::pending::<()>().await;
        })
        .await
    }

    /// Sends so many bytes of the pattern, as fast as they are taken, then waits for the other side to end.
    pub async fn floods(bytes: usize) -> Self {
        Self::serve(move |mut stream| async move {
            for offset in (0..bytes).step_by(64 * 1024) {
                let chunk = super::pattern(offset, (bytes - offset).min(64 * 1024));
                if stream.write_all(&chunk).await.is_err() {
                    return;
                }
            }
            drain(&mut stream).await;
        })
        .await
    }

    /// Hands each connection to the test.
    pub async fn handing_over() -> (Self, tokio::sync::mpsc::Receiver<TcpStream>) {
        let (hand, taken) = tokio::sync::mpsc::channel(64);
        let peer = Self::serve(move |stream| {
            let hand = hand.clone();
            async move {
                let _ = hand.send(stream).await;
            }
        })
        .await;
        (peer, taken)
    }
}

/// Reads to the end.
pub async fn drain(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    all
}

/// An address at which nobody listens.
pub async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("an address")
}

/// A listener whose queue is full: a connection to it gets no answer.
pub struct Unanswering {
    pub addr: SocketAddr,
    _listener: socket2::Socket,
    _queued: Vec<TcpStream>,
}

impl Unanswering {
    pub async fn start() -> Self {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("binds");
        listener.listen(0).expect("listens");
        let addr = listener.local_addr().ok().and_then(|addr| addr.as_socket()).expect("an address");
        let mut queued = Vec::new();
        let patience = std::time::Duration::from_millis(300);
        while let Ok(stream) = tokio::time::timeout(patience, TcpStream::connect(addr)).await {
            queued.push(stream.expect("joins the queue"));
        }
        Self { addr, _listener: listener, _queued: queued }
    }
}

/// Makes the coming close send RST.
pub fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).expect("lingers");
}
