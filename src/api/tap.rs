//! Tap: records of what a session moves, as messages that people can read.

use std::{
    fmt::Write,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use prost::Message;
use tokio_stream::Stream;
use tonic::Status;

use super::{
    padding::Padding,
    parse_fields::Faults,
    proto::{self, TapFormat},
    render, session_service,
};
use crate::{
    error::{Error, Reason},
    gateway::{Tap, TapSpec},
    net::host_text,
    session::{Direction, TapRecord, Tapped},
};

const RECORD_BYTES: u32 = 4096;
const SHORTEST_RECORD: u32 = 16;
const LONGEST_RECORD: u32 = 65_536;

/// Tapped bytes in one message, about. As hex and text they are up to seven times as long, and clients take 4 MiB.
const MESSAGE_BYTES: usize = 128 * 1024;

/// Reads a request.
///
/// # Errors
/// REQUEST_INVALID.
pub(super) fn tap_spec(request: &proto::TapRequest) -> Result<(TapSpec, TapFormat), Error> {
    let mut faults = Faults::default();
    if request.session_id.is_empty() {
        faults.add("session_id", "is required");
    }
    let format = faults.known("format", request.format);
    let record_bytes = match request.max_record_bytes {
        0 => RECORD_BYTES,
        bytes @ SHORTEST_RECORD..=LONGEST_RECORD => bytes,
        bytes => {
            let description =
                format!("{bytes} is not between {SHORTEST_RECORD} and {LONGEST_RECORD}; 0 is {RECORD_BYTES}");
            faults.add("max_record_bytes", description);
            RECORD_BYTES
        }
    };
    faults.check(Reason::RequestInvalid)?;
    let spec = TapSpec { session_id: request.session_id.clone(), record_bytes: record_bytes as usize };
    Ok((spec, format.unwrap_or_default()))
}

/// A Tap stream.
pub struct TapStream {
    tap: Tap,
    format: TapFormat,
    padding: Padding,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The session was not shown yet.
    First,
    Running,
    Over,
}

impl TapStream {
    pub(super) fn new(tap: Tap, format: TapFormat, padding: Padding) -> Self {
        Self { tap, format, padding, stage: Stage::First }
    }

    fn message(&mut self, tapped: Tapped) -> proto::TapResponse {
        match tapped {
            Tapped::Records(records) => {
                let records = records.into_iter().map(|record| shown(record, self.format)).collect();
                proto::TapResponse { records, ..Default::default() }
            }
            Tapped::Ended(reason, lost) => {
                self.stage = Stage::Over;
                let reason = render::close_reason(reason).into();
                let end = proto::TapEnd { reason, lost_records: lost.records, lost_bytes: lost.bytes };
                proto::TapResponse { end: Some(end), ..Default::default() }
            }
        }
    }
}

impl Stream for TapStream {
    type Item = Result<proto::TapResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut response = match this.stage {
            Stage::Over => return Poll::Ready(None),
            Stage::First => {
                this.stage = Stage::Running;
                let session = Some(session_service::session(this.tap.session()));
                proto::TapResponse { session, ..Default::default() }
            }
            Stage::Running => {
                let tapped = std::task::ready!(this.tap.poll(MESSAGE_BYTES, cx));
                this.message(tapped)
            }
        };
        response.padding = this.padding.of(response.records.len(), || response.encoded_len());
        Poll::Ready(Some(Ok(response)))
    }
}

fn shown(record: TapRecord, format: TapFormat) -> proto::TapRecord {
    let direction = match record.direction {
        Direction::Received => proto::TapDirection::Received,
        Direction::Sent => proto::TapDirection::Sent,
    };
    let (mut hex, mut text, mut bytes) = (String::new(), String::new(), Bytes::new());
    match format {
        TapFormat::Unspecified | TapFormat::HexAndText => {
            (hex, text) = (as_hex(&record.bytes), as_text(&record.bytes));
        }
        TapFormat::Text => text = as_text(&record.bytes),
        TapFormat::Bytes => bytes = record.bytes.clone(),
    }
    proto::TapRecord {
        direction: direction.into(),
        offset: record.offset,
        time: render::timestamp(record.time),
        size: record.bytes.len() as u32,
        bytes,
        hex,
        text,
        peer_host: record.peer.as_ref().map(host_text).unwrap_or_default(),
        peer_port: record.peer.map_or(0, |peer| peer.port()).into(),
        lost_records: record.lost.records,
        lost_bytes: record.lost.bytes,
    }
}

fn as_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = String::with_capacity(bytes.len() * 3);
    for (number, byte) in bytes.iter().enumerate() {
        if number > 0 {
            hex.push(' ');
        }
        hex.push(DIGITS[usize::from(byte >> 4)].into());
        hex.push(DIGITS[usize::from(byte & 15)].into());
    }
    hex
}

/// What is readable as it is, everything else escaped: control characters, what turns the direction of writing or ends a line in
/// some programs, and what is no UTF-8. A backslash is doubled, so that nothing is ambiguous.
fn as_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                '\\' => text.push_str("\\\\"),
                plain if is_readable(plain) => text.push(plain),
                other => escape(&mut text, other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

fn is_readable(character: char) -> bool {
    // Line and paragraph separators, and the marks and overrides of writing direction (Unicode, annex 9).
    let steers =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}');
    !character.is_control() && !steers
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_readable_and_orders_nobody_about() {
        assert_eq!(as_text("Grüße \\ \r\n\t".as_bytes()), "Grüße \\\\ \\r\\n\\t");
        assert_eq!(as_text(b"\x1b[2J\x00\xff\xc3"), "\\x1b[2J\\x00\\xff\\xc3");
        assert_eq!(as_text("a\u{2028}b\u{202e}c\u{85}".as_bytes()), "a\\xe2\\x80\\xa8b\\xe2\\x80\\xaec\\xc2\\x85");
        assert_eq!(as_hex(b"\x00Hi\xff"), "00 48 69 ff");
        assert_eq!((as_hex(b""), as_text(b"")), (String::new(), String::new()));
    }
}
