//! Requests become specs here, once; inside the gateway an invalid spec cannot exist.

use std::{mem::take, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use prost::Message;

use super::{parse_fields::Faults, proto};
use crate::{
    envelope::SessionId,
    error::{Error, Reason},
    gateway::{
        ConnectSpec, DisconnectSpec, ExchangeCall, ListenSpec, Pattern, SendSpec, SubscribeSpec, TcpOptions, UdpInSpec,
        UnlistenSpec,
    },
    limits::{Limits, fixed},
    net::resolve::literal,
    registry::RequestKey,
    session::{Mode, OnTimeout},
    subscriber::ResumePoint,
};

pub(super) fn pattern(text: String) -> Pattern {
    if text.is_empty() { Pattern::None } else { Pattern::Regex(text) }
}

pub(super) fn session_id(id: String) -> Option<SessionId> {
    (!id.is_empty()).then(|| SessionId::new(id))
}

/// A request id is its subscriber's own, and stands for one request.
pub(super) fn request_key<M: Message>(
    kind: &str,
    subscriber: &str,
    request_id: &str,
    request: &M,
) -> Option<RequestKey> {
    (!request_id.is_empty())
        .then(|| RequestKey { id: format!("{kind}\n{subscriber}\n{request_id}"), request: request.encode_to_vec() })
}

pub(super) fn on_timeout(faults: &mut Faults, value: i32) -> Option<OnTimeout> {
    match faults.known("on_timeout", value)? {
        proto::TimeoutAction::Unspecified => None,
        proto::TimeoutAction::Close => Some(OnTimeout::Close),
        proto::TimeoutAction::Keep => Some(OnTimeout::Keep),
    }
}

/// What connect and listen requests say of sessions.
struct RawOptions<'a> {
    mode: i32,
    wait_for: &'a str,
    timeout: Option<&'a prost_types::Duration>,
    on_timeout: i32,
    allow_half_open: bool,
    orphan_timeout: Option<&'a prost_types::Duration>,
}

fn tcp_options(faults: &mut Faults, raw: &RawOptions<'_>) -> TcpOptions {
    let mode = match faults.known("mode", raw.mode) {
        Some(proto::TcpMode::Line) => Mode::Line,
        _ => Mode::Binary,
    };
    let timeout = faults.duration("timeout", raw.timeout, fixed::SESSION_TIMEOUT);
    TcpOptions {
        mode,
        wait_for: pattern(raw.wait_for.to_owned()),
        timeout: timeout.filter(|timeout| !timeout.is_zero()),
        on_timeout: on_timeout(faults, raw.on_timeout),
        allow_half_open: raw.allow_half_open,
        orphan_timeout: faults.duration("orphan_timeout", raw.orphan_timeout, fixed::SESSION_TIMEOUT),
    }
}

/// # Errors
/// CONNECT_INVALID with every bad field.
pub fn connect_spec(request: proto::TcpConnectRequest) -> Result<ConnectSpec, Error> {
    let mut faults = Faults::default();
    faults.host("host", &request.host);
    let port = faults.port("port", request.port, false);
    faults.name("subscriber", &request.subscriber);
    faults.name("session_id", &request.session_id);
    faults.name("request_id", &request.request_id);
    let options = tcp_options(
        &mut faults,
        &RawOptions {
            mode: request.mode,
            wait_for: &request.wait_for,
            timeout: request.timeout.as_ref(),
            on_timeout: request.on_timeout,
            allow_half_open: request.allow_half_open,
            orphan_timeout: request.orphan_timeout.as_ref(),
        },
    );
    let connect_timeout = faults.duration("connect_timeout", request.connect_timeout.as_ref(), fixed::CONNECT_TIMEOUT);
    faults.check(Reason::ConnectInvalid)?;
    Ok(ConnectSpec {
        port,
        options,
        connect_timeout: connect_timeout.filter(|timeout| !timeout.is_zero()),
        no_wait: request.no_wait,
        request: request_key("connect", &request.subscriber, &request.request_id, &request),
        host: request.host.into(),
        subscriber: request.subscriber,
        session_id: session_id(request.session_id),
    })
}

/// An address to bind: not a name, which could mean several.
pub(super) fn bind_address(faults: &mut Faults, host: &str, port: u16, ipv6: bool) -> SocketAddr {
    let any = SocketAddr::new(UdpInSpec::any(ipv6), port);
    if host.is_empty() {
        return any;
    }
    match literal(host, port) {
        Ok(Some(address)) => address,
        _ if host == "localhost" => SocketAddr::from(([127, 0, 0, 1], port)),
        _ => {
            faults.add("host", "is no address of this machine: give one like \"0.0.0.0\", \"127.0.0.1\" or \"::\"");
            any
        }
    }
}

/// # Errors
/// LISTEN_INVALID with every bad field.
pub fn listen_spec(request: proto::TcpListenRequest) -> Result<ListenSpec, Error> {
    let mut faults = Faults::default();
    let port = faults.port("port", request.port, true);
    let address = bind_address(&mut faults, &request.host, port, false);
    faults.name("subscriber", &request.subscriber);
    faults.name("request_id", &request.request_id);
    let options = tcp_options(
        &mut faults,
        &RawOptions {
            mode: request.mode,
            wait_for: &request.wait_for,
            timeout: request.timeout.as_ref(),
            on_timeout: request.on_timeout,
            allow_half_open: request.allow_half_open,
            orphan_timeout: request.orphan_timeout.as_ref(),
        },
    );
    faults.check(Reason::ListenInvalid)?;
    let request_key = request_key("listen", &request.subscriber, &request.request_id, &request);
    Ok(ListenSpec { address, options, request: request_key, subscriber: request.subscriber })
}

/// The items of a send, each followed by the terminator where it is text.
fn payload(
    faults: &mut Faults,
    items: Vec<proto::PayloadItem>,
    terminator: i32,
    may_be_empty: bool,
    limits: &Limits,
) -> Vec<Bytes> {
    use proto::payload_item::Item;
    let terminator = match faults.known("line_terminator", terminator) {
        Some(proto::LineTerminator::Lf) => "\n",
        Some(proto::LineTerminator::Crlf) => "\r\n",
        Some(proto::LineTerminator::Cr) => "\r",
        _ => "",
    };
    if items.is_empty() && !may_be_empty {
        faults.add("payload", "is required: at least one item, for example [{\"text\": \"hello\"}]");
    }
    if items.len() > limits.payload_items {
        faults.add("payload", format!("has more than {} items (limits.payload_items)", limits.payload_items));
        return Vec::new();
    }
    let mut out = Vec::with_capacity(items.len());
    let mut total = 0;
    for (at, item) in items.into_iter().enumerate() {
        let bytes = match item.item {
            Some(Item::Text(text)) if terminator.is_empty() => Bytes::from(text),
            Some(Item::Text(mut text)) => {
                text.push_str(terminator);
                Bytes::from(text)
            }
            Some(Item::Bytes(bytes)) => bytes,
            None => {
                faults.add(&format!("payload[{at}]"), "has neither text nor bytes");
                continue;
            }
        };
        if bytes.is_empty() {
            faults.add(&format!("payload[{at}]"), "is empty: nothing would be sent");
        }
        total += bytes.len();
        out.push(bytes);
    }
    if total > limits.payload_bytes {
        faults.add("payload", format!("has {total} bytes, more than {} (limits.payload_bytes)", limits.payload_bytes));
    }
    out
}

/// # Errors
/// PAYLOAD_INVALID with every bad field.
/// What it makes a spec of is taken out of the request.
pub(super) fn send_spec(request: &mut proto::TcpSendRequest, limits: &Limits) -> Result<SendSpec, Error> {
    let mut faults = Faults::default();
    required(&mut faults, "session_id", &request.session_id);
    faults.name("subscriber", &request.subscriber);
    let items = payload(&mut faults, take(&mut request.payload), request.line_terminator, false, limits);
    let timeout = faults.duration("timeout", request.timeout.as_ref(), fixed::SESSION_TIMEOUT);
    if request.wait_for.is_some() && request.subscriber.is_empty() {
        faults.add("wait_for", "belongs to a claim: name the subscriber that shall get the data");
    }
    faults.check(Reason::PayloadInvalid)?;
    Ok(SendSpec {
        session_id: take(&mut request.session_id),
        items,
        subscriber: take(&mut request.subscriber),
        wait_for: request.wait_for.take().map(pattern),
        timeout,
        expected_offset: request.expected_write_offset,
        emit_sent: request.emit_sent,
    })
}

fn required(faults: &mut Faults, field: &str, value: &str) {
    if value.is_empty() {
        faults.add(field, "is required");
    }
}

/// # Errors
/// PAYLOAD_INVALID with every bad field.
pub(super) fn exchange_call(request: proto::TcpExchangeRequest, limits: &Limits) -> Result<ExchangeCall, Error> {
    let mut faults = Faults::default();
    required(&mut faults, "session_id", &request.session_id);
    faults.name("subscriber", &request.subscriber);
    let items = payload(&mut faults, request.payload, request.line_terminator, true, limits);
    let timeout = faults.duration("timeout", request.timeout.as_ref(), fixed::EXCHANGE_TIMEOUT);
    let settle = faults.duration("settle_timeout", request.settle_timeout.as_ref(), fixed::EXCHANGE_TIMEOUT);
    let unanswered = faults.known("on_unanswered", request.on_unanswered);
    let _: Option<proto::PayloadFormat> = faults.known("payload_format", request.payload_format);
    faults.check(Reason::PayloadInvalid)?;
    Ok(ExchangeCall {
        session_id: request.session_id,
        items,
        wait_for: pattern(request.wait_for),
        timeout: timeout.filter(|timeout| !timeout.is_zero()),
        settle,
        abort_unanswered: unanswered == Some(proto::UnansweredAction::Abort),
        expected_offset: request.expected_write_offset,
    })
}

/// # Errors
/// REQUEST_INVALID with every bad field.
pub(super) fn disconnect_spec(request: proto::TcpDisconnectRequest) -> Result<DisconnectSpec, Error> {
    let mut faults = Faults::default();
    required(&mut faults, "session_id", &request.session_id);
    faults.name("subscriber", &request.subscriber);
    let close_timeout = faults.duration("close_timeout", request.close_timeout.as_ref(), fixed::CLOSE_TIMEOUT);
    faults.check(Reason::RequestInvalid)?;
    let proto::TcpDisconnectRequest { session_id, abort, subscriber, .. } = request;
    Ok(DisconnectSpec { session_id, abort, subscriber, close_timeout })
}

/// # Errors
/// REQUEST_INVALID with every bad field.
pub(super) fn unlisten_spec(request: proto::TcpUnlistenRequest) -> Result<UnlistenSpec, Error> {
    let mut faults = Faults::default();
    required(&mut faults, "listener_id", &request.listener_id);
    faults.name("subscriber", &request.subscriber);
    faults.check(Reason::RequestInvalid)?;
    Ok(UnlistenSpec { listener_id: request.listener_id, close_sessions: request.close_sessions })
}

/// # Errors
/// REQUEST_INVALID with every bad field.
pub(super) fn subscribe_spec(request: proto::SubscribeRequest, acknowledged: bool) -> Result<SubscribeSpec, Error> {
    let mut faults = Faults::default();
    faults.name("subscriber", &request.subscriber);
    let _: Option<proto::PayloadFormat> = faults.known("payload_format", request.payload_format);
    let (mut events, mut data) = (request.outputs.is_empty(), request.outputs.is_empty());
    for output in &request.outputs {
        match faults.known("outputs", *output) {
            Some(proto::Output::Events) => events = true,
            Some(proto::Output::Data) => data = true,
            Some(proto::Output::Unspecified) => (events, data) = (true, true),
            None => {}
        }
    }
    if request.session_ids.len() > fixed::FILTER_SESSIONS {
        faults.add("session_ids", format!("are more than {}: use several subscribers", fixed::FILTER_SESSIONS));
    }
    let heartbeat = heartbeat(&mut faults, request.heartbeat_interval.as_ref());
    faults.check(Reason::RequestInvalid)?;
    let ids = request.session_ids;
    Ok(SubscribeSpec {
        subscriber: request.subscriber,
        events,
        data,
        session_ids: (!ids.is_empty()).then(|| Arc::new(ids.into_iter().collect())),
        resume: request.resume.map(|resume| {
            (resume.instance_id, ResumePoint { epoch: resume.epoch, after_sequence: resume.after_sequence })
        }),
        heartbeat,
        acknowledged,
    })
}

pub(super) fn heartbeat(faults: &mut Faults, interval: Option<&prost_types::Duration>) -> Option<Duration> {
    let interval = faults.duration("heartbeat_interval", interval, fixed::SESSION_TIMEOUT).filter(|i| !i.is_zero())?;
    if interval < fixed::HEARTBEAT_INTERVAL {
        faults.add("heartbeat_interval", format!("is shorter than {}s", fixed::HEARTBEAT_INTERVAL.as_secs()));
    }
    Some(interval)
}
