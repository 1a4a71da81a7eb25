//! Envelopes become messages here.

use std::time::SystemTime;

use bytes::Bytes;

use super::proto::{self, data, datagram, envelope, line};
use crate::{
    envelope::{Body, CloseReason, Ends, Envelope, Output},
    error::Error,
    framing::{Capture, Content, Frame},
    net::host_text,
    subscriber::{Gap, Start},
};

pub(super) use super::proto::PayloadFormat;

/// The text of bytes where it is wanted and valid, else the bytes.
fn as_text(bytes: Bytes, wanted: bool) -> Result<String, Bytes> {
    if !wanted {
        return Err(bytes);
    }
    std::str::from_utf8(&bytes).map(str::to_owned).map_err(|_| bytes)
}

pub(super) fn line(bytes: Bytes, format: PayloadFormat) -> proto::Line {
    let content = match as_text(bytes, format != PayloadFormat::Bytes) {
        Ok(text) => line::Content::Text(text),
        Err(bytes) => line::Content::Bytes(bytes),
    };
    proto::Line { content: Some(content) }
}

pub(super) fn lines(lines: Vec<Bytes>, format: PayloadFormat) -> Vec<proto::Line> {
    lines.into_iter().map(|bytes| line(bytes, format)).collect()
}

pub(super) fn captures(captures: Vec<Capture>, format: PayloadFormat) -> Vec<proto::Capture> {
    let one = |capture: Capture| proto::Capture {
        name: capture.name.map(|name| name.to_string()).unwrap_or_default(),
        participated: capture.value.is_some(),
        value: capture.value.map(|bytes| line(bytes, format)),
    };
    captures.into_iter().map(one).collect()
}

fn payload(content: Content, format: PayloadFormat) -> data::Payload {
    let (bytes, text_wanted) = match content {
        Content::Chunk(bytes) => (bytes, format == PayloadFormat::Text),
        Content::Line(bytes) => (bytes, format != PayloadFormat::Bytes),
        Content::Match { lines: before, matched, captures: groups } => {
            return data::Payload::Match(proto::LineMatch {
                lines: lines(before, format),
                r#match: Some(line(matched, format)),
                captures: captures(groups, format),
            });
        }
        Content::Flushed { lines: held, last_unfinished } => {
            return data::Payload::Flushed(proto::LinesFlushed { lines: lines(held, format), last_unfinished });
        }
    };
    match as_text(bytes, text_wanted) {
        Ok(text) => data::Payload::Text(text),
        Err(bytes) => data::Payload::Bytes(bytes),
    }
}

fn frame(frame: Frame, format: PayloadFormat) -> proto::Data {
    proto::Data { offset: frame.offset, next_offset: frame.next_offset, payload: Some(payload(frame.content, format)) }
}

fn received(from: &std::net::SocketAddr, bytes: Bytes, utf8: bool, format: PayloadFormat) -> proto::Data {
    let size = bytes.len() as u32;
    let text_wanted = match format {
        PayloadFormat::Bytes => false,
        PayloadFormat::Text => true,
        PayloadFormat::Unspecified => utf8,
    };
    let payload = match as_text(bytes, text_wanted) {
        Ok(text) => datagram::Payload::Text(text),
        Err(bytes) => datagram::Payload::Bytes(bytes),
    };
    let datagram =
        proto::Datagram { remote_host: host_text(from), remote_port: from.port().into(), size, payload: Some(payload) };
    proto::Data { offset: 0, next_offset: 0, payload: Some(data::Payload::Datagram(datagram)) }
}

pub(super) fn connected(ends: &Ends) -> proto::Connected {
    proto::Connected {
        remote_host: host_text(&ends.remote),
        remote_port: ends.remote.port().into(),
        local_host: host_text(&ends.local),
        local_port: ends.local.port().into(),
    }
}

pub(super) fn listening(local: &std::net::SocketAddr, groups: &[String]) -> proto::Listening {
    proto::Listening {
        local_host: host_text(local),
        local_port: local.port().into(),
        multicast_groups: groups.to_vec(),
    }
}

pub(super) fn close_reason(reason: CloseReason) -> proto::CloseReason {
    match reason {
        CloseReason::PeerClosed => proto::CloseReason::PeerClosed,
        CloseReason::PeerReset => proto::CloseReason::PeerReset,
        CloseReason::ByRequest => proto::CloseReason::ByRequest,
        CloseReason::Timeout => proto::CloseReason::Timeout,
        CloseReason::Abort => proto::CloseReason::Abort,
        CloseReason::Orphaned => proto::CloseReason::Orphaned,
        CloseReason::Shutdown => proto::CloseReason::Shutdown,
        CloseReason::Replaced => proto::CloseReason::Replaced,
        CloseReason::Error => proto::CloseReason::Error,
    }
}

/// A moment as a message.
pub(super) fn timestamp(time: SystemTime) -> Option<prost_types::Timestamp> {
    Some(time.into())
}

/// One envelope as a message.
pub(super) fn envelope(sequence: u64, envelope: Envelope, format: PayloadFormat) -> proto::Envelope {
    let output = match envelope.output() {
        Output::Events => proto::Output::Events,
        Output::Data => proto::Output::Data,
    };
    let mut message = proto::Envelope {
        timestamp: timestamp(envelope.time),
        status: proto::Status::Ok.into(),
        output: output.into(),
        sequence,
        session_id: envelope.session.map(|id| id.as_str().to_owned()).unwrap_or_default(),
        listener_id: envelope.listener.map(|id| id.as_str().to_owned()).unwrap_or_default(),
        dropped_before: envelope.dropped_before,
        ..proto::Envelope::default()
    };
    let (event, detail) = match envelope.body {
        Body::Connecting { host, port } => {
            let connecting = proto::Connecting { remote_host: host.to_string(), remote_port: port.into() };
            (proto::Event::Connecting, Some(envelope::Detail::Connecting(connecting)))
        }
        Body::Connected(ends) => (proto::Event::Connected, Some(envelope::Detail::Connected(connected(&ends)))),
        Body::Listening { local, groups } => {
            (proto::Event::Listening, Some(envelope::Detail::Listening(listening(&local, &groups))))
        }
        Body::Data(data) => (proto::Event::Data, Some(envelope::Detail::Data(frame(data, format)))),
        Body::Datagram { from, payload, utf8 } => {
            (proto::Event::Data, Some(envelope::Detail::Data(received(&from, payload, utf8, format))))
        }
        Body::Sent { message_id, chunk_count } => {
            let message_id = message_id.text();
            let sent = proto::Sent { message_id, chunk_count, ..proto::Sent::default() };
            (proto::Event::Sent, Some(envelope::Detail::Sent(sent)))
        }
        Body::DatagramSent { message_id, to, bytes } => {
            let sent = proto::Sent {
                message_id: message_id.text(),
                chunk_count: 0,
                host: host_text(&to),
                port: to.port().into(),
                bytes,
            };
            (proto::Event::Sent, Some(envelope::Detail::Sent(sent)))
        }
        Body::HalfClosed => (proto::Event::HalfClosed, None),
        Body::Disconnecting => (proto::Event::Disconnecting, None),
        Body::Disconnected { reason, received, sent } => {
            let reason = close_reason(reason).into();
            let disconnected = proto::Disconnected { reason, bytes_received: received, bytes_sent: sent };
            (proto::Event::Disconnected, Some(envelope::Detail::Disconnected(disconnected)))
        }
        Body::Closed => (proto::Event::Closed, None),
        Body::TimedOut(error) => {
            failed(&mut message, &error);
            (proto::Event::Timeout, None)
        }
        Body::Failed(error) => {
            failed(&mut message, &error);
            (proto::Event::Error, None)
        }
    };
    message.event = event.into();
    message.detail = detail;
    message
}

fn failed(message: &mut proto::Envelope, error: &Error) {
    message.status = proto::Status::Error.into();
    message.error_code = error.reason().as_str().to_owned();
    message.error_text = error.message().to_owned();
    message.error_metadata = metadata(error);
}

fn metadata(error: &Error) -> std::collections::HashMap<String, String> {
    error.metadata().iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

/// An error as the answer to a command.
pub(super) fn command_error(error: &Error) -> proto::CommandError {
    proto::CommandError {
        grpc_code: error.code().into(),
        error_code: error.reason().as_str().to_owned(),
        error_text: error.message().to_owned(),
        metadata: metadata(error),
        field_violations: error
            .violations()
            .iter()
            .map(|v| proto::FieldViolation { field: v.field.clone(), description: v.description.clone() })
            .collect(),
    }
}

pub(super) fn start(start: Start, instance_id: &str, send_credit: u64) -> proto::StreamStart {
    proto::StreamStart {
        instance_id: instance_id.to_owned(),
        epoch: start.epoch.to_string(),
        next_sequence: start.next_sequence,
        send_credit,
    }
}

pub(super) fn gap(gap: Gap) -> proto::Gap {
    proto::Gap { first_sequence: gap.first, last_sequence: gap.last }
}
