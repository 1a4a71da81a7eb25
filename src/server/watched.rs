//! The body of an answer that ends with UNAUTHENTICATED when its caller's credentials do.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::{Status, body::Body};

use super::authentication::Credential;

/// The frames of an answer to a unary call: its message and its trailers. What has more is a stream.
const UNARY_FRAMES: usize = 2;

/// The body of an answer.
pub(super) struct WatchedBody {
    /// None once it was cut.
    inner: Option<Body>,
    frames: usize,
    credential: Option<Credential>,
    /// Of streams: waits until the credential is over.
    over: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl WatchedBody {
    pub(super) fn new(inner: Body, credential: Option<Credential>) -> Self {
        Self { inner: Some(inner), frames: 0, credential, over: None }
    }
}

impl http_body::Body for WatchedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        // First, so that a stream that always has more to say ends as well.
        if let Some(over) = &mut this.over
            && over.as_mut().poll(cx).is_ready()
        {
            this.inner = None;
            return Poll::Ready(Some(Ok(Frame::trailers(Credential::last_words()))));
        }
        let frame = Pin::new(inner).poll_frame(cx);
        this.frames += 1;
        if (frame.is_pending() || this.frames > UNARY_FRAMES)
            && let Some(credential) = this.credential.take()
        {
            let mut over: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(credential.over());
            // Polled once, so that it wakes this task; where it is over already the next poll says so.
            if over.as_mut().poll(cx).is_ready() {
                over = Box::pin(std::future::ready(()));
                cx.waker().wake_by_ref();
            }
            this.over = Some(over);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(|inner| inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), |inner| inner.size_hint())
    }
}
