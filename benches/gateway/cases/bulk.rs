//! Cases 5 to 7: as many bytes, or lines, as go through.

use std::{collections::VecDeque, net::SocketAddr, sync::atomic::Ordering};

use anyhow::{Context, Result, bail};
use socket_gateway::api::proto::{
    DeliveryMode, Envelope, TcpMode, answer, attach_request::Command, data::Payload, envelope::Detail,
};

use super::{Bench, megabytes, sessions, thousands};
use crate::{
    client::{Sockets, attach, command, connect, fresh_subscriber, open, send_request, subscribe},
    limit,
    measure::{Bar, Load, Row},
};

/// One item of case 6.
const ITEM: usize = 64 * 1024;

/// Case 5: bytes of flooding peers to one Subscribe stream, against a bare server stream of chunks.
pub async fn down(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for count in [1, 4, 16] {
        let subject = megabytes(5, format!("bulk TCP to Subscribe, {}", sessions(count)), Bar::new(0.45, 0.65));
        let gateway = async || flooded(bench, bench.ports.bytes, TcpMode::Binary, count, payload_bytes).await;
        let limit = async || canned(bench, limit::BYTES, payload_bytes).await;
        rows.push(bench.compare(subject, gateway, limit).await?);
    }
    Ok(rows)
}

/// Case 7: lines of one flooding peer, against a bare server stream of such envelopes.
pub async fn lines(bench: &Bench) -> Result<Row> {
    let subject = thousands(7, "lines of 64 B to Subscribe, 1 session", Bar::new(0.35, 0.60));
    let gateway = async || flooded(bench, bench.ports.lines, TcpMode::Line, 1, lines_in).await;
    bench.compare(subject, gateway, async || canned(bench, limit::LINES, lines_in).await).await
}

fn payload_bytes(envelope: &Envelope) -> u64 {
    match &envelope.detail {
        Some(Detail::Data(data)) => match &data.payload {
            Some(Payload::Bytes(bytes)) => bytes.len() as u64,
            _ => 0,
        },
        _ => 0,
    }
}

fn lines_in(envelope: &Envelope) -> u64 {
    match &envelope.detail {
        Some(Detail::Data(data)) => u64::from(matches!(data.payload, Some(Payload::Text(_)))),
        _ => 0,
    }
}

async fn flooded(
    bench: &Bench,
    peer: SocketAddr,
    mode: TcpMode,
    count: usize,
    value: fn(&Envelope) -> u64,
) -> Result<Load> {
    let (mut load, mut sockets, subscriber) = (Load::default(), connect(bench.gateway).await?, fresh_subscriber());
    for index in 0..count {
        let session = open(&mut sockets, peer, &subscriber, mode, index).await?;
        load.owns(&sockets, &session);
    }
    take_all(&mut load, sockets, &subscriber, value).await?;
    Ok(load)
}

async fn canned(bench: &Bench, subscriber: &str, value: fn(&Envelope) -> u64) -> Result<Load> {
    let mut load = Load::default();
    take_all(&mut load, connect(bench.limit).await?, subscriber, value).await?;
    Ok(load)
}

async fn take_all(load: &mut Load, mut sockets: Sockets, subscriber: &str, value: fn(&Envelope) -> u64) -> Result<()> {
    let (mut stream, done) = (subscribe(&mut sockets, subscriber).await?, load.counter());
    load.spawn(async move {
        while let Some(message) = stream.message().await? {
            done.fetch_add(message.envelopes.iter().map(value).sum(), Ordering::Relaxed);
        }
        bail!("the stream ended")
    });
    Ok(())
}

/// Case 6: bytes up an Attach stream into sinks, against a bare client stream that is swallowed.
pub async fn up(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for count in [1, 4] {
        let subject = megabytes(6, format!("bulk Attach to TCP, {}", sessions(count)), Bar::new(0.55, 0.75));
        let (gateway, limit) = (async || uploads(bench, count).await, async || swallowed(bench).await);
        rows.push(bench.compare(subject, gateway, limit).await?);
    }
    Ok(rows)
}

/// Sends as much as the credit of each session allows; what is answered counts, and is followed by the next.
async fn uploads(bench: &Bench, count: usize) -> Result<Load> {
    let (mut load, mut sockets, subscriber) = (Load::default(), connect(bench.gateway).await?, fresh_subscriber());
    let mut attached = attach(&mut sockets, &subscriber, DeliveryMode::Plain).await?;
    let mut sends = Vec::new();
    for index in 0..count {
        let session = open(&mut sockets, bench.ports.sinks[0], &subscriber, TcpMode::Binary, index).await?;
        load.owns(&sockets, &session);
        sends.push(send_request(&session, ITEM));
    }
    let done = load.counter();
    let each = attached.credit as usize / ITEM;
    load.spawn(async move {
        let mut due: VecDeque<usize> = (0..count * each).map(|turn| turn % count).collect();
        loop {
            for session in due.drain(..) {
                let send = Command::TcpSend(sends[session].clone());
                attached.commands.send(command(session as u64 + 1, send)).await?;
            }
            let message = attached.stream.message().await?.context("the stream ended")?;
            for answer in message.answers {
                if let Some(answer::Result::Error(error)) = answer.result {
                    bail!("a send failed: {}", error.error_text);
                }
                done.fetch_add(ITEM as u64, Ordering::Relaxed);
                due.push_back(answer.correlation_id as usize - 1);
            }
        }
    });
    Ok(load)
}

/// HTTP/2 flow control is the only brake; what is still under way in the end is a few hundred kilobytes.
async fn swallowed(bench: &Bench) -> Result<Load> {
    let (mut load, mut sockets) = (Load::default(), connect(bench.limit).await?);
    let attached = attach(&mut sockets, "", DeliveryMode::Plain).await?;
    let (send, done) = (send_request("swallowed", ITEM), load.counter());
    load.spawn(async move {
        let _down = attached.stream;
        loop {
            attached.commands.send(command(1, Command::TcpSend(send.clone()))).await?;
            done.fetch_add(ITEM as u64, Ordering::Relaxed);
        }
    });
    Ok(load)
}
