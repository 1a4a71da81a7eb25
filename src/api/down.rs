//! What goes down a stream: messages whose envelopes are written for the wire straight from the backlog's.
//!
//! Data is most of what a gateway says. As a generated message an envelope of it would be given its session id, its text and its
//! sender's address in memory of their own, be measured in one walk and written in another. Here it is written once, and a large
//! payload is not touched before the message goes out. The other envelopes are rare, and are rendered first.

use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes};
use prost::{
    DecodeError, Message,
    encoding::{self, DecodeContext, WireType},
};

use super::{
    data_field::{Data, SMALL_BYTES},
    proto,
    render::{self, PayloadFormat},
};
use crate::{
    envelope::{Body, Envelope},
    framing::{Content, Frame},
    net::host_text,
};

/// A message of Subscribe.
pub type SubscribeMessage = Down<proto::SubscribeResponse>;

/// A message down an Attach stream.
pub type AttachMessage = Down<proto::AttachResponse>;

/// The field `envelopes` of both.
const ENVELOPES: u32 = 3;

/// What a data envelope takes about, its payload aside.
const HEAD_BYTES: usize = 144;

/// A message whose field `envelopes` is written already.
#[derive(Debug, Default)]
pub struct Down<M> {
    /// The other fields.
    pub(super) rest: M,
    /// How many envelopes there are.
    pub(super) envelopes: usize,
    /// The field, large payloads aside.
    written: Vec<u8>,
    /// Each large payload, and where in `written` it belongs.
    large: Vec<(usize, Bytes)>,
    large_bytes: usize,
    /// Who sent the last datagram, as text.
    sender: Option<(SocketAddr, String)>,
}

impl<M> Down<M> {
    /// Adds envelopes, each with its sequence.
    pub(super) fn extend(&mut self, envelopes: Vec<(u64, Envelope)>, format: PayloadFormat) {
        self.envelopes += envelopes.len();
        self.written.reserve(envelopes.iter().map(|(_, envelope)| HEAD_BYTES + small_bytes(envelope)).sum());
        for (sequence, envelope) in envelopes {
            self.push(sequence, envelope, format);
        }
    }

    fn push(&mut self, sequence: u64, envelope: Envelope, format: PayloadFormat) {
        let Some(session) = &envelope.session else { return self.rendered(sequence, envelope, format) };
        let stream = |frame: &Frame, payload: &Bytes, text_wanted| Data {
            offset: frame.offset,
            next_offset: frame.next_offset,
            sender: None,
            payload: payload.clone(),
            is_text: text_wanted && is_text(payload),
        };
        let data = match &envelope.body {
            Body::Data(frame) => match &frame.content {
                Content::Chunk(payload) => stream(frame, payload, format == PayloadFormat::Text),
                Content::Line(payload) => stream(frame, payload, format != PayloadFormat::Bytes),
                Content::Match { .. } | Content::Flushed { .. } => return self.rendered(sequence, envelope, format),
            },
            Body::Datagram { from, payload, utf8 } => {
                let text_wanted = match format {
                    PayloadFormat::Bytes => false,
                    PayloadFormat::Text => true,
                    PayloadFormat::Unspecified => *utf8,
                };
                // A flood mostly comes from one sender.
                if self.sender.as_ref().is_none_or(|(known, _)| known != from) {
                    self.sender = Some((*from, host_text(from)));
                }
                let sender = self.sender.as_ref().map(|(from, host)| (host.as_str(), from.port()));
                let is_text = text_wanted && is_text(payload);
                Data { offset: 0, next_offset: 0, sender, payload: payload.clone(), is_text }
            }
            _ => return self.rendered(sequence, envelope, format),
        };
        let (time, dropped_before) = (render::timestamp(envelope.time).unwrap_or_default(), envelope.dropped_before);
        data.write(ENVELOPES, sequence, time, session.as_str(), dropped_before, &mut self.written);
        if data.payload.len() < SMALL_BYTES {
            self.written.extend_from_slice(&data.payload);
        } else {
            self.large_bytes += data.payload.len();
            self.large.push((self.written.len(), data.payload));
        }
    }

    fn rendered(&mut self, sequence: u64, envelope: Envelope, format: PayloadFormat) {
        encoding::message::encode(ENVELOPES, &render::envelope(sequence, envelope, format), &mut self.written);
    }
}

fn is_text(payload: &Bytes) -> bool {
    std::str::from_utf8(payload).is_ok()
}

fn small_bytes(envelope: &Envelope) -> usize {
    let bytes = match &envelope.body {
        Body::Data(frame) => frame.content.len(),
        Body::Datagram { payload, .. } => payload.len(),
        _ => 0,
    };
    if bytes < SMALL_BYTES { bytes } else { 0 }
}

impl<M: Message + Default> Message for Down<M> {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        self.rest.encode_raw(buffer);
        let mut done = 0;
        for (place, payload) in &self.large {
            buffer.put_slice(&self.written[done..*place]);
            buffer.put_slice(payload);
            done = *place;
        }
        buffer.put_slice(&self.written[done..]);
    }

    // Nobody reads such a message; what would be read are fields of the generated one.
    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        self.rest.merge_field(tag, wire_type, buffer, context)
    }

    fn encoded_len(&self) -> usize {
        self.rest.encoded_len() + self.written.len() + self.large_bytes
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, time::SystemTime};

    use super::*;
    use crate::envelope::{ListenerId, SessionId};

    const FORMATS: [PayloadFormat; 3] = [PayloadFormat::Unspecified, PayloadFormat::Text, PayloadFormat::Bytes];

    fn envelopes() -> Vec<Envelope> {
        let session = SessionId::random();
        let mut all = Vec::new();
        let texts =
            [0, 1, 64, 127, 128, SMALL_BYTES - 1, SMALL_BYTES, 70_000].map(|length| Bytes::from("ä".repeat(length)));
        for payload in texts.into_iter().chain([Bytes::from_static(b"\xff\x00")]) {
            for offset in [0, 1, 1 << 40] {
                let next_offset = offset + payload.len() as u64;
                for content in [Content::Chunk(payload.clone()), Content::Line(payload.clone())] {
                    all.push(Envelope::of_session(&session, Body::Data(Frame { offset, next_offset, content })));
                }
            }
            for from in ["192.0.2.7:9", "[2001:db8::7]:65535", "[fe80::7%3]:1"] {
                let from: SocketAddr = from.parse().expect("an address");
                for utf8 in [true, false] {
                    let body = Body::Datagram { from, payload: payload.clone(), utf8 };
                    all.push(Envelope { dropped_before: 300, ..Envelope::of_session(&session, body) });
                }
            }
            let content = Content::Flushed { lines: vec![payload], last_unfinished: true };
            all.push(Envelope::of_session(&session, Body::Data(Frame { offset: 3, next_offset: 9, content })));
        }
        all.push(Envelope { time: SystemTime::UNIX_EPOCH, ..all[0].clone() });
        all.push(Envelope::of_session(&session, Body::HalfClosed).with_listener(Some(&ListenerId::random())));
        all
    }

    #[test]
    fn what_is_written_straight_reads_as_what_the_generated_messages_write() {
        for format in FORMATS {
            let all: Vec<_> = (1..).step_by(77).zip(envelopes()).collect();
            let mut message = AttachMessage::default();
            message.rest.heartbeat = Some(proto::Heartbeat { last_sequence: 7 });
            message.rest.padding = Bytes::from_static(b"padding");
            message.extend(all.clone(), format);
            assert_eq!(message.envelopes, all.len());
            let expected = proto::AttachResponse {
                envelopes: all.into_iter().map(|(sequence, one)| render::envelope(sequence, one, format)).collect(),
                ..message.rest.clone()
            };
            let written = message.encode_to_vec();
            assert_eq!(written.len(), message.encoded_len());
            let read = proto::AttachResponse::decode(written.as_slice()).expect("protobuf");
            for (read, expected) in read.envelopes.iter().zip(&expected.envelopes) {
                assert_eq!(read, expected, "{format:?}");
            }
            assert_eq!(read, expected);
            assert_eq!(written.len(), expected.encoded_len(), "nothing is written that need not be");
        }
    }

    #[test]
    fn both_messages_have_their_envelopes_in_the_field_that_is_written() {
        let mut message = SubscribeMessage::default();
        message.extend(vec![(1, Envelope::of_gateway(Body::Closed))], PayloadFormat::Unspecified);
        let read = proto::SubscribeResponse::decode(message.encode_to_vec().as_slice()).expect("protobuf");
        assert_eq!(read.envelopes.len(), 1);
    }
}
