//! Cases 9 and 10: what thousands of open sessions cost, in memory and for those that are used.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use socket_gateway::api::proto::{Event, SubscribeResponse, TcpListenRequest, TcpSendRequest};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::{Duration, sleep},
};
use tonic::Streaming;

use super::{Bench, sends::send_again_and_again, thousands};
use crate::{
    client::{SMALL, connect, fresh_subscriber, send_request, subscribe},
    measure::{Bar, Load, Row, Subject, alternate},
    process::{Child, sessions_possible},
};

/// Sessions that are used, and those there are before others are added.
const FEW: usize = 10;

/// Sessions of case 9. Fewer would each seem to cost more: what the gateway holds once is shared out among them.
const IDLE: usize = 9000;

/// Sessions of case 10.
const MANY: usize = 10_000;

/// What is still being freed settles in this time.
const SETTLING: Duration = Duration::from_millis(500);

/// Rounds of case 9 at most: each opens all sessions anew in a fresh gateway.
const MEMORY_ROUNDS: u32 = 3;

/// A gateway of its own with sessions that its listener accepted. One subscriber has both claims and reads the events.
struct Crowd {
    stream: Streaming<SubscribeResponse>,
    listener: SocketAddr,
    sessions: Vec<String>,
    /// Each holds some connections of the peer open.
    _held: Vec<BufReader<TcpStream>>,
    gateway: Child,
    address: SocketAddr,
}

impl Crowd {
    async fn gather(bench: &Bench, count: usize) -> Result<Self> {
        let (gateway, address) = Child::gateway(&bench.binary)?;
        let (mut sockets, subscriber) = (connect(address).await?, fresh_subscriber());
        let stream = subscribe(&mut sockets, &subscriber).await?;
        let request = TcpListenRequest { host: "127.0.0.1".into(), subscriber, ..Default::default() };
        let listening = sockets.tcp_listen(request).await?.into_inner().listening.context("no address")?;
        let listener = SocketAddr::new(listening.local_host.parse()?, listening.local_port as u16);
        let mut crowd = Self { stream, listener, sessions: vec![], _held: vec![], gateway, address };
        crowd.grow(bench, count).await?;
        Ok(crowd)
    }

    /// Adds sessions, and waits until all are announced and their events read.
    async fn grow(&mut self, bench: &Bench, count: usize) -> Result<()> {
        let mut dialling = BufReader::new(TcpStream::connect(bench.ports.dial).await?);
        dialling.write_all(format!("{} {count}\n", self.listener).as_bytes()).await?;
        let wanted = self.sessions.len() + count;
        while self.sessions.len() < wanted {
            let message = self.stream.message().await?.context("the stream ended")?;
            let opened = message.envelopes.into_iter().filter(|envelope| envelope.event() == Event::Connected);
            self.sessions.extend(opened.map(|envelope| envelope.session_id));
        }
        let mut answer = String::new();
        dialling.read_line(&mut answer).await?;
        if answer != "held\n" {
            bail!("the peer could not dial {count} times; are there enough file descriptors?");
        }
        self._held.push(dialling);
        Ok(())
    }

    /// As many calls in flight as are few; call by call in turn over so many of the sessions.
    async fn sends(&self, over: usize) -> Result<Load> {
        let (mut load, sockets) = (Load::default(), connect(self.address).await?);
        let requests: Vec<TcpSendRequest> =
            self.sessions[..over].iter().map(|session| send_request(session, SMALL)).collect();
        for some in requests.chunks(over / FEW) {
            load.spawn(send_again_and_again(sockets.clone(), some.to_vec(), load.counter()));
        }
        Ok(load)
    }
}

/// Case 9: resident memory per idle session.
pub async fn memory(bench: &Bench) -> Result<Row> {
    let count = sessions_possible(IDLE)?;
    let mut figures = Vec::new();
    for _ in 0..bench.rounds.min(MEMORY_ROUNDS) {
        let mut crowd = Crowd::gather(bench, FEW).await?;
        let before = crowd.gateway.resident()?;
        crowd.grow(bench, count).await?;
        sleep(SETTLING).await;
        figures.push((crowd.gateway.resident()? - before) / count as f64);
    }
    let name = format!("resident memory per idle session, {count} accepted");
    let subject = Subject { case: 9, name, unit: "KiB", scale: 1024.0, bar: Some(Bar::new(6.0, 3.0)) };
    Ok(Row::alone(subject, &figures))
}

/// Case 10: the cost of a TcpSend with many sessions open over the cost with few.
pub async fn cost(bench: &Bench) -> Result<Vec<Row>> {
    let count = sessions_possible(MANY)? / FEW * FEW;
    let (many, few) = (Crowd::gather(bench, count).await?, Crowd::gather(bench, FEW).await?);
    let cost = |with_many: f64, with_few: f64| with_few / with_many;

    let name = format!("TcpSend to {FEW} sessions, cost with {count} open / with {FEW}");
    let used = thousands(10, name, Bar::new(1.3, 1.1));
    let compare = async |over| {
        let (gateway, limit) = (async || many.sends(over).await, async || few.sends(FEW).await);
        alternate(bench.rounds, bench.window, &many.gateway, gateway, limit).await
    };
    let to_few = Row::pairs(used, &compare(FEW).await?, cost);

    let name = format!("the same to all {count} in turn: the sockets are cold as well");
    let cold = Subject { bar: None, name, ..to_few.subject.clone() };
    let to_all = compare(count).await?;
    Ok(vec![to_few, Row::pairs(cold, &to_all, cost)])
}
