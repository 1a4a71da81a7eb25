//! Attach: commands up, envelopes and answers down, on one stream.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use prost::Message;
use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Status, Streaming};

use super::{
    answers::Answers,
    commands::{Orders, Reader},
    down::AttachMessage,
    gathering::Gathering,
    padding::Padding,
    parse,
    proto::{self, attach_request::Command},
    render::{self, PayloadFormat},
    up::AttachCommand,
};
use crate::{
    audit::{carried, peer},
    error::{Error, Reason},
    gateway::Gateway,
    identity::Caller,
    subscriber::{Batch, Subscription},
};

/// Reads the subscription and starts the stream.
///
/// # Errors
/// REQUEST_INVALID where the first message is no subscription; those of `Gateway::subscribe`.
pub(super) async fn attach(
    gateway: Arc<Gateway>,
    caller: Arc<Caller>,
    request: Request<Streaming<AttachCommand>>,
) -> Result<AttachStream, Status> {
    let padding = Padding::new(request.metadata());
    let mut commands = request.into_inner();
    let first = commands.message().await?.and_then(|first| first.0.command);
    let Some(Command::Subscribe(subscribe)) = first else {
        let sentence = "the first message of an Attach stream must be \"subscribe\"";
        return Err(Error::new(Reason::RequestInvalid, sentence).into());
    };
    let acknowledged = match proto::DeliveryMode::try_from(subscribe.delivery_mode) {
        Ok(mode) => mode == proto::DeliveryMode::Acknowledged,
        Err(_) => return Err(Error::new(Reason::RequestInvalid, "delivery_mode: not a value of this enum").into()),
    };
    let request = subscribe.subscription.unwrap_or_default();
    let format = PayloadFormat::try_from(request.payload_format).unwrap_or_default();
    let subscription = gateway.subscribe(&caller, parse::subscribe_spec(request, acknowledged)?)?;
    let answers = Arc::new(Answers::default());
    let stop = CancellationToken::new();
    let orders = Orders { gateway: Arc::clone(&gateway), caller, answers: Arc::clone(&answers) };
    let reader = Reader::new(orders, Arc::clone(subscription.subscriber()));
    let caller_address = peer();
    gateway.registry.spawn_background({
        let stop = stop.clone();
        async move {
            stop.run_until_cancelled(carried(caller_address, reader.run(commands))).await;
        }
    });
    Ok(AttachStream {
        subscription,
        format,
        gateway,
        answers,
        padding,
        gathering: Gathering::default(),
        over: false,
        last_words: None,
        _stop: stop.drop_guard(),
    })
}

/// The down side of an Attach stream.
pub struct AttachStream {
    subscription: Subscription,
    format: PayloadFormat,
    gateway: Arc<Gateway>,
    answers: Arc<Answers>,
    /// Nothing but answers goes out any more, then why.
    over: bool,
    last_words: Option<Error>,
    padding: Padding,
    gathering: Gathering,
    _stop: DropGuard,
}

impl Stream for AttachStream {
    type Item = Result<AttachMessage, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        ready!(this.gathering.poll(cx));
        let mut response = AttachMessage::default();
        let mut ready = false;
        // The start goes first; afterwards answers and envelopes share messages.
        if !this.over {
            match this.subscription.poll_batch(cx) {
                Poll::Ready(Some(Ok(batch))) => {
                    this.render(batch, &mut response);
                    ready = true;
                }
                Poll::Ready(ended) => (this.over, this.last_words) = (true, ended.and_then(Result::err)),
                Poll::Pending => {}
            }
        }
        if response.rest.start.is_none() {
            let mut pending = this.answers.lock();
            if let Some(error) = pending.ended.take() {
                (this.over, this.last_words) = (true, Some(error));
            }
            let credit = this.gateway.limits.now().attach_send_credit_bytes;
            ready |= this.answers.take(&mut pending, credit, &mut response.rest);
            if !ready && this.over {
                return Poll::Ready(this.last_words.take().map(|error| Err(error.into())));
            }
            if !ready {
                pending.waker = Some(cx.waker().clone());
            }
        }
        if !ready {
            this.gathering.sleep();
            return Poll::Pending;
        }
        this.gathering.took(response.envelopes + response.rest.answers.len());
        response.rest.padding = this.padding.of(response.envelopes, || response.encoded_len());
        Poll::Ready(Some(Ok(response)))
    }
}

impl AttachStream {
    fn render(&self, batch: Batch, response: &mut AttachMessage) {
        let credit = self.gateway.limits.now().attach_send_credit_bytes as u64;
        response.rest.start = batch.start.map(|start| render::start(start, &self.gateway.instance_id, credit));
        response.rest.gap = batch.gap.map(render::gap);
        response.rest.heartbeat = batch.heartbeat.map(|last_sequence| proto::Heartbeat { last_sequence });
        response.extend(batch.envelopes, self.format);
    }
}
