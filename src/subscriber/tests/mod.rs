//! Tests of the backlog: who gets what, in which order, and what it may cost. Pure: no task, no socket, and the time is given.

#![allow(clippy::disallowed_methods, reason = "a test has its own clock")]

mod acknowledged;
mod any_order;
mod credit;
mod drops;
mod resuming;
mod streams;

use std::{
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{
    Ack, Filter, Gap, LaneKey, ResumePoint, SubscriberView,
    backlog::{Backlog, Taken},
    brakes::Brakes,
};
use crate::{
    envelope::{Body, Envelope, MessageId, SessionId},
    error::{Error, Reason},
    framing::{Content, Frame},
    limits::{ENVELOPE_OVERHEAD_BYTES, Limits},
};

const EPOCH: &str = "epoch";

const EVENTS: Filter = Filter { events: true, data: false, ids: None };
const DATA: Filter = Filter { events: false, data: true, ids: None };

/// Limits small enough to be reached on purpose: a session holds four envelopes of `kilo` size, a subscriber sixteen.
fn limits() -> Limits {
    Limits {
        session_backlog_bytes: 4 * 1024,
        subscriber_backlog_bytes: 16 * 1024,
        full_backlog_read_bytes: 512,
        subscriber_events: 8,
        subscriber_reports: 4,
        subscriber_retained_bytes: 4 * 1024,
        batch_envelopes: 8,
        batch_bytes: 64 * 1024,
        streams_per_subscriber: 4,
        stall_timeout: Duration::from_secs(10),
        ..Limits::default()
    }
}

fn backlog() -> Backlog {
    backlog_with(limits())
}

fn backlog_with(limits: Limits) -> Backlog {
    Backlog::new(Arc::new(limits), Arc::default(), Brakes::default(), Instant::now())
}

fn session(name: &str) -> LaneKey {
    LaneKey::Session(SessionId::new(name))
}

fn envelope(key: &LaneKey, body: Body) -> Envelope {
    match key {
        LaneKey::Session(id) => Envelope::of_session(id, body),
        LaneKey::Listener(id) => Envelope::of_listener(id, body),
        LaneKey::Control => Envelope::of_gateway(body),
    }
}

/// TCP data that is known by its offset and costs this much.
fn data(key: &LaneKey, id: u64, cost: usize) -> Envelope {
    let content = Content::Chunk(vec![0; cost - ENVELOPE_OVERHEAD_BYTES].into());
    envelope(key, Body::Data(Frame { offset: id, next_offset: id + 1, content }))
}

/// As `data`, four of which fill a session's share.
fn kilo(key: &LaneKey, id: u64) -> Envelope {
    data(key, id, 1024)
}

/// A datagram that is known by its first bytes and costs this much.
fn datagram(key: &LaneKey, id: u64, cost: usize) -> Envelope {
    let mut payload = id.to_be_bytes().to_vec();
    payload.resize((cost - ENVELOPE_OVERHEAD_BYTES).max(8), 0);
    envelope(key, Body::Datagram { from: ([127, 0, 0, 1], 9).into(), payload: payload.into(), utf8: false })
}

/// An event (or a report) that is known by its message id.
fn event(key: &LaneKey, id: u64) -> Envelope {
    envelope(key, Body::Sent { message_id: MessageId(id), chunk_count: 1 })
}

fn id(envelope: &Envelope) -> u64 {
    match &envelope.body {
        Body::Data(frame) => frame.offset,
        Body::Datagram { payload, .. } => u64::from_be_bytes(payload[..8].try_into().expect("made with eight bytes")),
        Body::Sent { message_id, .. } => message_id.0,
        other => panic!("the tests make no {other:?}"),
    }
}

fn attach(backlog: &mut Backlog, filter: Filter) -> usize {
    backlog.attach(EPOCH, filter, None, false).expect("attaches").0
}

fn after(sequence: u64) -> ResumePoint {
    ResumePoint { epoch: EPOCH.into(), after_sequence: sequence }
}

/// One message of a stream; None where there is none.
fn message(backlog: &mut Backlog, stream: usize) -> Result<Option<Vec<(u64, Envelope)>>, Error> {
    let mut out = Vec::new();
    match backlog.take(stream, &mut out, &Context::from_waker(Waker::noop())) {
        Taken::Some => Ok(Some(out)),
        Taken::None { .. } => Ok(None),
        Taken::Ended(error) => Err(error),
    }
}

/// Everything a stream can have now: sequences and ids.
fn take_all(backlog: &mut Backlog, stream: usize) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    while let Some(message) = message(backlog, stream).expect("the stream goes on") {
        all.extend(message.iter().map(|(sequence, envelope)| (*sequence, id(envelope))));
    }
    all
}

/// Everything a stream can have now: ids.
fn ids(backlog: &mut Backlog, stream: usize) -> Vec<u64> {
    take_all(backlog, stream).into_iter().map(|(_, id)| id).collect()
}

fn view(backlog: &Backlog) -> SubscriberView {
    backlog.view("name".into(), EPOCH.into())
}

/// Whether the session was told to look again.
fn is_signalled(notify: &Notify) -> bool {
    let mut notified = std::pin::pin!(notify.notified());
    notified.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}
