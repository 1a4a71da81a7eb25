//! A data envelope as protobuf, without a generated message: its numbers, its session and its sender, up to its payload.
//!
//! The field numbers are those of `proto/tcpip/v1/envelope.proto`; the tests hold what is written here against what is generated
//! from there. As in every proto3 message, fields that hold nothing are left out, but for those of a oneof.

use bytes::Bytes;
use prost::encoding::{WireType, encoded_len_varint};
use prost_types::Timestamp;

use super::proto;

/// Payloads shorter than this are copied into the message at once.
pub(super) const SMALL_BYTES: usize = 1024;

/// What a data envelope carries.
pub(super) struct Data<'a> {
    pub(super) offset: u64,
    pub(super) next_offset: u64,
    /// Of a datagram: who sent it.
    pub(super) sender: Option<(&'a str, u16)>,
    pub(super) payload: Bytes,
    /// Whether the payload goes as text; it is valid UTF-8 then.
    pub(super) is_text: bool,
}

impl Data<'_> {
    /// Writes the envelope as the field `field` of a message, up to its payload: that is the last of it.
    pub(super) fn write(
        &self,
        field: u32,
        sequence: u64,
        time: Timestamp,
        session: &str,
        dropped_before: u64,
        out: &mut Vec<u8>,
    ) {
        let (status, event, output) = (proto::Status::Ok, proto::Event::Data, proto::Output::Data);
        let (seconds, nanos) = (time.seconds as u64, time.nanos as u64);
        let payload_bytes = self.payload.len() as u64;
        let payload_field = length(PAYLOAD_KEYS, payload_bytes);
        let datagram = self.sender.map(|(host, port)| {
            length(1, host.len() as u64) + number_length(port.into()) + number_length(payload_bytes) + payload_field
        });
        let content = datagram.map_or(payload_field, |datagram| length(1, datagram));
        let data = number_length(self.offset) + number_length(self.next_offset) + content;
        let timestamp = number_length(seconds) + number_length(nanos);
        let envelope = length(1, timestamp)
            + number_length(status as u64)
            + number_length(event as u64)
            + number_length(output as u64)
            + number_length(sequence)
            + length(1, session.len() as u64)
            + number_length(dropped_before)
            + length(2, data);

        start(field, envelope, out);
        start(1, timestamp, out);
        number(1, seconds, out);
        number(2, nanos, out);
        number(2, status as u64, out);
        number(3, event as u64, out);
        number(4, output as u64, out);
        number(5, sequence, out);
        text(6, session, out);
        number(11, dropped_before, out);
        start(23, data, out);
        number(1, self.offset, out);
        number(2, self.next_offset, out);
        let field = match (self.sender, datagram) {
            (Some((host, port)), Some(datagram)) => {
                start(7, datagram, out);
                text(1, host, out);
                number(2, port.into(), out);
                number(3, payload_bytes, out);
                if self.is_text { 5 } else { 4 }
            }
            _ if self.is_text => 4,
            _ => 3,
        };
        start(field, payload_bytes, out);
    }
}

/// How long the keys are of the fields that a payload may be.
const PAYLOAD_KEYS: u64 = 1;

/// The length of a field of so many bytes, whose key takes `key`.
fn length(key: u64, bytes: u64) -> u64 {
    key + encoded_len_varint(bytes) as u64 + bytes
}

/// The length of a number's field, whose key takes one byte.
fn number_length(value: u64) -> u64 {
    if value == 0 { 0 } else { 1 + encoded_len_varint(value) as u64 }
}

fn number(field: u32, value: u64, out: &mut Vec<u8>) {
    if value != 0 {
        varint((field << 3 | WireType::Varint as u32).into(), out);
        varint(value, out);
    }
}

/// A field of so many bytes begins.
fn start(field: u32, bytes: u64, out: &mut Vec<u8>) {
    varint((field << 3 | WireType::LengthDelimited as u32).into(), out);
    varint(bytes, out);
}

/// As that of prost, which takes twice as long for one byte, and most of these are of one.
fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn text(field: u32, text: &str, out: &mut Vec<u8>) {
    start(field, text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}
