//! A Subscribe stream, one envelope at a time.

use std::collections::VecDeque;

use socket_gateway::api::proto::{self, Envelope, Event, data::Payload, envelope::Detail};
use tonic::{Status, Streaming};

use super::{Sockets, within};

pub struct Envelopes {
    stream: Streaming<proto::SubscribeResponse>,
    waiting: VecDeque<Envelope>,
    pub start: proto::StreamStart,
    pub gap: Option<proto::Gap>,
    /// The last sequence taken.
    pub last: u64,
}

impl Envelopes {
    pub async fn open(mut sockets: Sockets, request: proto::SubscribeRequest) -> Result<Self, Status> {
        let mut stream = sockets.subscribe(request).await?.into_inner();
        let first = within(stream.message()).await?.expect("a first message");
        let start = first.start.expect("the first message is the start");
        Ok(Self { stream, waiting: first.envelopes.into(), start, gap: first.gap, last: 0 })
    }

    /// The next envelope, or how the stream ended.
    pub async fn try_next(&mut self) -> Result<Envelope, Option<Status>> {
        loop {
            if let Some(envelope) = self.waiting.pop_front() {
                self.last = envelope.sequence;
                return Ok(envelope);
            }
            match within(self.stream.message()).await {
                Ok(Some(message)) => self.waiting.extend(message.envelopes),
                Ok(None) => return Err(None),
                Err(status) => return Err(Some(status)),
            }
        }
    }

    pub async fn next(&mut self) -> Envelope {
        self.try_next().await.expect("the stream goes on")
    }

    /// The next message as it came.
    pub async fn message(&mut self) -> Result<Option<proto::SubscribeResponse>, Status> {
        within(self.stream.message()).await
    }

    /// The next envelope, which must be of this event.
    pub async fn expect(&mut self, event: Event) -> Envelope {
        let envelope = self.next().await;
        assert_eq!(envelope.event(), event, "{envelope:?}");
        envelope
    }

    /// Skips to the next envelope of this event.
    pub async fn until(&mut self, event: Event) -> Envelope {
        loop {
            let envelope = self.next().await;
            if envelope.event() == event {
                return envelope;
            }
        }
    }

    /// The payload of the next envelope, which must be data.
    pub async fn data(&mut self) -> Payload {
        payload(self.expect(Event::Data).await)
    }

    /// Skips to data, and gives its payload as bytes until so many have come.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            match payload(self.until(Event::Data).await) {
                Payload::Bytes(chunk) => bytes.extend_from_slice(&chunk),
                Payload::Text(text) => bytes.extend_from_slice(text.as_bytes()),
                other => panic!("not a chunk: {other:?}"),
            }
        }
        bytes
    }

    /// The next line, which must be text.
    pub async fn line(&mut self) -> String {
        match self.data().await {
            Payload::Text(line) => line,
            other => panic!("not a line of text: {other:?}"),
        }
    }
}

pub fn payload(envelope: Envelope) -> Payload {
    match envelope.detail {
        Some(Detail::Data(data)) => data.payload.expect("data has a payload"),
        other => panic!("not data: {other:?}"),
    }
}

/// The offset and the bytes of a chunk; None for any other envelope.
pub fn chunk(envelope: &Envelope) -> Option<(u64, &[u8])> {
    match &envelope.detail {
        Some(Detail::Data(data)) => match data.payload.as_ref()? {
            Payload::Bytes(bytes) => Some((data.offset, bytes)),
            Payload::Text(text) => Some((data.offset, text.as_bytes())),
            _ => None,
        },
        _ => None,
    }
}
