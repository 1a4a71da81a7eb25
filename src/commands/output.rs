//! Standard output: bytes as they are, as a dump, or as JSON a line.

use std::{
    fmt::Write as _,
    io::{self, Write},
    sync::LazyLock,
};

use clap::ValueEnum;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;

use super::end::End;
use crate::api::proto::DESCRIPTORS;

/// How output is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people and pipes
    #[default]
    Text,
    /// One JSON object a line; messages of the gateway as the protobuf JSON mapping has them
    Json,
}

/// How inbound bytes are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    AsTheyAre,
    Hex,
}

/// Writes and flushes at once: who reads it may be waiting.
pub(crate) fn write(bytes: &[u8]) -> Result<(), End> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| End::of_output(&error))
}

pub(crate) fn write_line(line: impl AsRef<str>) -> Result<(), End> {
    write(format!("{}\n", line.as_ref()).as_bytes())
}

/// Says something about the output, beside it.
pub(crate) fn note(said: impl AsRef<str>) {
    // Where nobody can read it, the output has to do.
    let _ = writeln!(io::stderr(), "{}", said.as_ref());
}

pub(crate) fn write_json(value: &Value) -> Result<(), End> {
    write_line(value.to_string())
}

/// A message of `tcpip.v1` as JSON, in protobuf's own mapping, as grpcurl shows it.
pub(crate) fn json(name: &str, message: &impl Message) -> Value {
    static POOL: LazyLock<Option<DescriptorPool>> = LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).ok());
    let described = || {
        let descriptor = POOL.as_ref()?.get_message_by_name(&format!("tcpip.v1.{name}"))?;
        let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).ok()?;
        let options = SerializeOptions::new().stringify_64_bit_integers(true).skip_default_fields(true);
        dynamic.serialize_with_options(serde_json::value::Serializer, &options).ok()
    };
    described().unwrap_or(Value::Null)
}

/// A dump of bytes: offset, sixteen in hex, and as text what is printable.
pub(crate) fn hex(mut offset: u64, bytes: &[u8]) -> String {
    let mut dump = String::new();
    for row in bytes.chunks(16) {
        let _ = write!(dump, "{offset:08x} ");
        for at in 0..16 {
            let gap = if at == 8 { " " } else { "" };
            let _ = match row.get(at) {
                Some(byte) => write!(dump, "{gap} {byte:02x}"),
                None => write!(dump, "{gap}   "),
            };
        }
        let text: String = row
            .iter()
            .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' })
            .collect();
        let _ = writeln!(dump, "  |{text}|");
        offset += row.len() as u64;
    }
    dump
}

/// Text of a peer on a terminal: control characters must not move its cursor or change its colours.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Bytes as JSON: text where they are, base64 where not.
pub(crate) fn json_bytes(bytes: &[u8]) -> (&'static str, Value) {
    match std::str::from_utf8(bytes) {
        Ok(text) => ("text", Value::from(text)),
        Err(_) => ("bytes", Value::from(base64(bytes))),
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::proto::{Envelope, Event};

    #[test]
    fn a_dump_shows_offset_bytes_and_what_is_printable() {
        let dump = hex(16, b"0123456789abcde\x00\xff");
        assert_eq!(
            dump,
            "00000010  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 00  |0123456789abcde.|\n\
             00000020  ff                                                |.|\n"
        );
    }

    #[test]
    fn a_message_is_shown_in_protobufs_json() {
        let envelope = Envelope { event: Event::Closed.into(), sequence: 7, ..Default::default() };
        assert_eq!(json("Envelope", &envelope).to_string(), r#"{"event":"EVENT_CLOSED","sequence":"7"}"#);
    }

    #[test]
    fn what_a_peer_sends_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[31mb\u{9b}c"), "a\u{fffd}[31mb\u{fffd}c");
    }
}
