//! Case 11: how long a ping takes beside a session that floods, for a subscriber that reads slower than the flood comes.
//!
//! Over Attach in acknowledged mode, as client libraries use it, what is under way is bounded by what is not acked. Over a plain
//! Subscribe it is bounded only by what HTTP/2 windows and kernel buffers between gateway and client take; that is shown as well.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use socket_gateway::api::proto::{
    Ack, AttachRequest, DeliveryMode, Envelope, Event, TcpMode, TcpSendRequest, attach_request::Command, data::Payload,
    envelope::Detail,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::Bench;
use crate::{
    client::{
        SMALL, Sockets, attach, close, command, connect, fresh_subscriber, index_of, open, send_request, subscribe,
    },
    measure::{Bar, Row, Subject, quantile},
};

/// What the subscriber takes, in bytes a second.
const PACE: f64 = 3e6;

/// Buffers fill before pings count.
const WARM_UP: Duration = Duration::from_secs(1);

const PATIENCE: Duration = Duration::from_secs(60);

/// Indexes of the two sessions.
const FLOOD: usize = 0;
const PING: usize = 1;

pub async fn ping_beside_a_flood(bench: &Bench) -> Result<Vec<Row>> {
    let (mut acknowledged, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        acknowledged.push(timeout(PATIENCE, over_attach(bench)).await??);
        plain.push(timeout(PATIENCE, over_subscribe(bench)).await??);
    }
    let subject = |name: &str, bar| Subject { case: 11, name: name.into(), unit: "ms", scale: 1e-3, bar };
    let bar = Some(Bar::new(100.0, 36.0));
    Ok(vec![
        Row::alone(subject("ping p99 beside a flood, acknowledged Attach, reader takes 3 MB/s", bar), &acknowledged),
        Row::alone(subject("the same over plain Subscribe", None), &plain),
    ])
}

/// Takes envelopes at its pace, and times the pings among them.
struct Reader {
    ready_at: Instant,
    begun: Instant,
    until: Instant,
    pinged: Instant,
    seconds: Vec<f64>,
}

impl Reader {
    fn new(bench: &Bench) -> Self {
        let now = Instant::now();
        let until = now + WARM_UP + if bench.short { bench.window * 8 } else { bench.window * 5 };
        Self { ready_at: now, begun: now + WARM_UP, until, pinged: now, seconds: Vec::new() }
    }

    /// Spends the time that an envelope takes. True: a ping came back, and the next is due.
    async fn take(&mut self, envelope: &Envelope) -> bool {
        let Some(Detail::Data(data)) = &envelope.detail else { return false };
        let Some(Payload::Bytes(bytes)) = &data.payload else { return false };
        let spent = Duration::from_secs_f64(bytes.len() as f64 / PACE);
        self.ready_at = self.ready_at.max(Instant::now()) + spent;
        sleep_until(self.ready_at).await;
        let is_ping = envelope.event() == Event::Data && index_of(&envelope.session_id) == PING;
        if is_ping {
            if self.pinged >= self.begun {
                self.seconds.push(self.pinged.elapsed().as_secs_f64());
            }
            self.pinged = Instant::now();
        }
        is_ping
    }

    fn is_done(&self) -> bool {
        !self.seconds.is_empty() && Instant::now() >= self.until
    }

    fn p99(mut self) -> f64 {
        self.seconds.sort_by(f64::total_cmp);
        quantile(&self.seconds, 0.99)
    }
}

/// The two sessions, and the ping to send on one of them.
async fn opened(bench: &Bench, sockets: &mut Sockets, subscriber: &str) -> Result<([String; 2], TcpSendRequest)> {
    let flood = open(sockets, bench.ports.bytes, subscriber, TcpMode::Binary, FLOOD).await?;
    let ping = open(sockets, bench.ports.echo, subscriber, TcpMode::Binary, PING).await?;
    let request = send_request(&ping, SMALL);
    Ok(([flood, ping], request))
}

async fn over_attach(bench: &Bench) -> Result<f64> {
    let (mut sockets, subscriber) = (connect(bench.gateway).await?, fresh_subscriber());
    let attached = attach(&mut sockets, &subscriber, DeliveryMode::Acknowledged).await?;
    let (sessions, ping) = opened(bench, &mut sockets, &subscriber).await?;
    let (commands, mut stream) = (attached.commands, attached.stream);
    let mut reader = Reader::new(bench);
    send_ping(&commands, &ping).await?;
    while !reader.is_done() {
        let message = stream.message().await?.context("the stream ended")?;
        for envelope in &message.envelopes {
            if reader.take(envelope).await {
                send_ping(&commands, &ping).await?;
            }
            let ack = Ack { sequence: envelope.sequence, ..Default::default() };
            commands.send(command(0, Command::Ack(ack))).await?;
        }
    }
    for session in sessions {
        close(sockets.clone(), session).await;
    }
    Ok(reader.p99())
}

async fn send_ping(commands: &mpsc::Sender<AttachRequest>, ping: &TcpSendRequest) -> Result<()> {
    Ok(commands.send(command(1, Command::TcpSend(ping.clone()))).await?)
}

async fn over_subscribe(bench: &Bench) -> Result<f64> {
    let (mut sockets, subscriber) = (connect(bench.gateway).await?, fresh_subscriber());
    let mut stream = subscribe(&mut sockets, &subscriber).await?;
    let (sessions, ping) = opened(bench, &mut sockets, &subscriber).await?;
    // Answers of the calls do not wait behind the flood.
    let calls = connect(bench.gateway).await?;
    let mut sending = JoinSet::new();
    let mut reader = Reader::new(bench);
    sending.spawn(call(calls.clone(), ping.clone()));
    while !reader.is_done() {
        let message = stream.message().await?.context("the stream ended")?;
        for envelope in &message.envelopes {
            if reader.take(envelope).await {
                sending.spawn(call(calls.clone(), ping.clone()));
            }
        }
        while let Some(sent) = sending.try_join_next() {
            if let Err(error) = sent? {
                bail!("a ping failed: {error}");
            }
        }
    }
    drop(stream);
    for session in sessions {
        close(sockets.clone(), session).await;
    }
    Ok(reader.p99())
}

async fn call(mut sockets: Sockets, request: TcpSendRequest) -> Result<()> {
    sockets.tcp_send(request).await?;
    Ok(())
}
