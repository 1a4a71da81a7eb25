//! One stream attached to a subscriber.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};
use tokio_stream::Stream;

use super::{Filter, ResumePoint, Subscriber, backlog::Taken};
use crate::{envelope::Envelope, error::Error, quota::Held};

/// The first thing a stream says.
#[derive(Clone, Debug)]
pub struct Start {
    /// The subscriber's life.
    pub epoch: Arc<str>,
    /// The sequence the next envelope will have at the least.
    pub next_sequence: u64,
}

/// Envelopes a resume could not deliver any more, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first missing sequence.
    pub first: u64,
    /// The last missing sequence.
    pub last: u64,
}

/// One message of a stream.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// In the first message only.
    pub start: Option<Start>,
    /// What a resume misses before the envelopes.
    pub gap: Option<Gap>,
    /// Sequence and envelope, in order.
    pub envelopes: Vec<(u64, Envelope)>,
    /// The newest sequence handed out, where nothing else was sent for the heartbeat interval.
    pub heartbeat: Option<u64>,
}

/// An attached stream: yields batches until it is ended, detaches in Drop.
pub struct Subscription {
    subscriber: Arc<Subscriber>,
    index: usize,
    first: Option<Batch>,
    heartbeat: Option<(Duration, Pin<Box<Sleep>>)>,
    ended: bool,
    /// What it takes of the limits on streams.
    _places: Option<(Held, Option<Held>)>,
}

impl Subscription {
    /// Attaches a stream.
    ///
    /// # Errors
    /// LIMIT_REACHED where `limits.streams_per_subscriber` are attached; EPOCH_CHANGED or REQUEST_INVALID where the resume point
    /// is of another epoch or lies ahead.
    pub fn attach(
        subscriber: &Arc<Subscriber>,
        filter: Filter,
        resume: Option<&ResumePoint>,
        acknowledged: bool,
        heartbeat: Option<Duration>,
    ) -> Result<Self, Error> {
        let (index, gap, next_sequence) = subscriber.lock().attach(&subscriber.epoch, filter, resume, acknowledged)?;
        let start = Start { epoch: Arc::clone(subscriber.epoch()), next_sequence };
        Ok(Self {
            subscriber: Arc::clone(subscriber),
            index,
            first: Some(Batch { start: Some(start), gap, ..Batch::default() }),
            heartbeat: heartbeat.map(|interval| (interval, Box::pin(sleep(interval)))),
            ended: false,
            _places: None,
        })
    }

    /// Holds places until it is gone.
    #[must_use]
    pub fn holding(mut self, places: (Held, Option<Held>)) -> Self {
        self._places = Some(places);
        self
    }

    /// Whose stream it is.
    pub fn subscriber(&self) -> &Arc<Subscriber> {
        &self.subscriber
    }

    /// The next batch; an error is the last item.
    pub fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Batch, Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        // The start goes out by itself, at once: the caller waits for it before it goes on.
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let mut envelopes = Vec::new();
        let taken = self.subscriber.lock().take(self.index, &mut envelopes, cx);
        match taken {
            Taken::Some => {
                self.rearm_heartbeat();
                Poll::Ready(Some(Ok(Batch { envelopes, ..Batch::default() })))
            }
            Taken::Ended(error) => {
                self.ended = true;
                Poll::Ready(Some(Err(error)))
            }
            Taken::None { last_sequence } => {
                let Some((_, sleep)) = &mut self.heartbeat else { return Poll::Pending };
                ready!(sleep.as_mut().poll(cx));
                self.rearm_heartbeat();
                Poll::Ready(Some(Ok(Batch { heartbeat: Some(last_sequence), ..Batch::default() })))
            }
        }
    }

    fn rearm_heartbeat(&mut self) {
        if let Some((interval, sleep)) = &mut self.heartbeat {
            sleep.as_mut().reset(Instant::now() + *interval);
        }
    }
}

impl Stream for Subscription {
    type Item = Result<Batch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_batch(cx)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.subscriber.lock().detach(self.index, Instant::now());
    }
}
