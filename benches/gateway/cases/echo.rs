//! Cases 2 to 4: a small message to an echoing peer and back, one in flight per session.

use std::sync::{Arc, atomic::Ordering};

use anyhow::{Context, Result, bail};
use socket_gateway::api::proto::{DeliveryMode, Event, TcpMode, TcpSendRequest, answer, attach_request::Command};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use super::{Bench, sends::send_again_and_again, sessions, thousands};
use crate::{
    client::{SMALL, attach, command, connect, fresh_subscriber, index_of, open, send_request, subscribe},
    measure::{Bar, Load, Row},
};

/// The echo is the answer: a send needs none of its own, unless it fails.
const UNANSWERED: u64 = 0;

/// Case 2: TcpSend and Subscribe, against unary calls that do nothing.
pub async fn by_unary_calls(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for count in [1, 16, 64] {
        let name = format!("echo by TcpSend + Subscribe, {}", sessions(count));
        let subject = thousands(2, name, Bar::new(0.50, 0.60));
        let (gateway, limit) = (async || unary(bench, count).await, async || nothing(bench, count).await);
        rows.push(bench.compare(subject, gateway, limit).await?);
    }
    Ok(rows)
}

/// Case 3: one Attach stream, against raw TCP.
pub async fn by_attach(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for count in [16, 64] {
        let subject = thousands(3, format!("echo by Attach, {}", sessions(count)), Bar::new(0.55, 0.85));
        let (gateway, limit) = (async || attached(bench, count).await, async || raw(bench, count).await);
        rows.push(bench.compare(subject, gateway, limit).await?);
    }
    Ok(rows)
}

/// Case 4: the two ways against each other.
pub async fn attach_against_unary_calls(bench: &Bench) -> Result<Row> {
    let subject = thousands(4, "echo by Attach / by TcpSend + Subscribe, 64 sessions", Bar::new(2.7, 3.7));
    bench.compare(subject, async || attached(bench, 64).await, async || unary(bench, 64).await).await
}

async fn unary(bench: &Bench, count: usize) -> Result<Load> {
    let (mut load, mut sockets, subscriber) = (Load::default(), connect(bench.gateway).await?, fresh_subscriber());
    let mut stream = subscribe(&mut sockets, &subscriber).await?;
    let echoed: Arc<[Notify]> = (0..count).map(|_| Notify::new()).collect();
    for index in 0..count {
        let session = open(&mut sockets, bench.ports.echo, &subscriber, TcpMode::Binary, index).await?;
        load.owns(&sockets, &session);
        let (mut sockets, echoed, done) = (sockets.clone(), Arc::clone(&echoed), load.counter());
        load.spawn(async move {
            let request = send_request(&session, SMALL);
            loop {
                sockets.tcp_send(request.clone()).await?;
                echoed[index].notified().await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    load.spawn(async move {
        while let Some(message) = stream.message().await? {
            for envelope in message.envelopes {
                if envelope.event() == Event::Data {
                    echoed.get(index_of(&envelope.session_id)).context("a strange session")?.notify_one();
                }
            }
        }
        bail!("the subscription ended")
    });
    Ok(load)
}

async fn nothing(bench: &Bench, count: usize) -> Result<Load> {
    let (mut load, sockets) = (Load::default(), connect(bench.limit).await?);
    for _ in 0..count {
        load.spawn(send_again_and_again(sockets.clone(), vec![send_request("", SMALL)], load.counter()));
    }
    Ok(load)
}

async fn attached(bench: &Bench, count: usize) -> Result<Load> {
    let (mut load, mut sockets, subscriber) = (Load::default(), connect(bench.gateway).await?, fresh_subscriber());
    let mut attached = attach(&mut sockets, &subscriber, DeliveryMode::Plain).await?;
    let mut sends: Vec<TcpSendRequest> = Vec::new();
    for index in 0..count {
        let session = open(&mut sockets, bench.ports.echo, &subscriber, TcpMode::Binary, index).await?;
        load.owns(&sockets, &session);
        sends.push(send_request(&session, SMALL));
    }
    let done = load.counter();
    load.spawn(async move {
        for send in &sends {
            attached.commands.send(command(UNANSWERED, Command::TcpSend(send.clone()))).await?;
        }
        while let Some(message) = attached.stream.message().await? {
            for answer in message.answers {
                if let Some(answer::Result::Error(error)) = answer.result {
                    bail!("a send failed: {}", error.error_text);
                }
            }
            for envelope in message.envelopes {
                if envelope.event() == Event::Data {
                    done.fetch_add(1, Ordering::Relaxed);
                    let send = sends.get(index_of(&envelope.session_id)).context("a strange session")?;
                    attached.commands.send(command(UNANSWERED, Command::TcpSend(send.clone()))).await?;
                }
            }
        }
        bail!("the stream ended")
    });
    Ok(load)
}

async fn raw(bench: &Bench, count: usize) -> Result<Load> {
    let mut load = Load::default();
    for _ in 0..count {
        let mut stream = TcpStream::connect(bench.ports.echo).await?;
        stream.set_nodelay(true)?;
        let done = load.counter();
        load.spawn(async move {
            let (sent, mut echoed) = ([b'x'; SMALL], [0; SMALL]);
            loop {
                stream.write_all(&sent).await?;
                stream.read_exact(&mut echoed).await?;
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    Ok(load)
}
