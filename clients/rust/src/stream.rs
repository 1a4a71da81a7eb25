//! A session as a byte stream, for code that is written for sockets.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    error::Error,
    events::{Data, Line},
    session::Session,
};

/// The most that one write takes: several together fill the session's credit, and none waits for all of it.
const WRITE_BYTES: usize = 64 * 1024;

type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A session as `AsyncRead` and `AsyncWrite`. A write is on its way when it returns, and done when `flush` does. Shutting down sends
/// FIN; what the peer still sends can be read. Lines of a session in line mode are read with "\n" as their end.
pub struct SessionStream {
    session: Arc<Session>,
    rest: Bytes,
    reading: Option<Pending<Option<Data>>>,
    writing: Option<Pending<()>>,
    ending: Option<Pending<()>>,
}

impl fmt::Debug for SessionStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionStream").field(&self.session).finish()
    }
}

impl SessionStream {
    pub(crate) fn new(session: Session) -> Self {
        Self { session: Arc::new(session), rest: Bytes::new(), reading: None, writing: None, ending: None }
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(writing) = &mut self.writing else { return Poll::Ready(Ok(())) };
        let written = ready!(writing.as_mut().poll(cx));
        self.writing = None;
        Poll::Ready(written.map_err(io::Error::from))
    }
}

impl AsyncRead for SessionStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.rest.is_empty() {
            let reading = this.reading.get_or_insert_with(|| {
                let session = Arc::clone(&this.session);
                Box::pin(async move { session.next().await })
            });
            let read = ready!(reading.as_mut().poll(cx));
            this.reading = None;
            match read? {
                None => return Poll::Ready(Ok(())),
                Some(data) => this.rest = bytes_of(data),
            }
        }
        let count = this.rest.len().min(buffer.remaining());
        buffer.put_slice(&this.rest[..count]);
        this.rest.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SessionStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_written(cx))?;
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let taken = Bytes::copy_from_slice(&bytes[..bytes.len().min(WRITE_BYTES)]);
        let count = taken.len();
        let session = Arc::clone(&self.session);
        self.writing = Some(Box::pin(async move { session.send(taken).await.map(drop) }));
        // Started here: nobody may poll it again before the next write.
        match self.poll_written(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_written(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_written(cx))?;
        let this = &mut *self;
        let ending = this.ending.get_or_insert_with(|| {
            let session = Arc::clone(&this.session);
            Box::pin(async move { session.disconnect().await })
        });
        let ended = ready!(ending.as_mut().poll(cx));
        this.ending = None;
        Poll::Ready(ended.map_err(io::Error::from))
    }
}

fn bytes_of(data: Data) -> Bytes {
    let line = |line: &Line| [line.as_bytes(), b"\n"].concat();
    match data {
        Data::Chunk(bytes) => bytes,
        Data::Line(only) => line(&only).into(),
        Data::Match(found) => found.lines.iter().chain([&found.matched]).flat_map(line).collect(),
        Data::Flushed { lines, last_unfinished } => {
            let mut bytes: Vec<u8> = lines.iter().flat_map(line).collect();
            bytes.truncate(bytes.len() - usize::from(last_unfinished));
            bytes.into()
        }
        Data::Datagram(datagram) => datagram.payload,
    }
}
