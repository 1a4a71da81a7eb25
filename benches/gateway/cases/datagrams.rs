//! Case 8: UDP datagrams received and delivered, against receiving them raw.
//!
//! The peer sends as many as it is told to. It is told of the next ones when as many have arrived, so that neither side is measured
//! at dropping what it cannot take.

use std::{net::SocketAddr, sync::atomic::Ordering};

use anyhow::{Result, bail};
use socket_gateway::{
    api::proto::{Event, UdpInRequest},
    limits::Limits,
};
use socket2::SockRef;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpStream, UdpSocket},
};

use super::{Bench, thousands};
use crate::{
    client::{connect, fresh_subscriber, subscribe},
    measure::{Bar, Load, Row},
    peer::DATAGRAM_BYTES,
};

/// Datagrams under way at most. They fit into the smallest of the queues, the kernel's.
const WINDOW: u32 = 256;

/// How many must have arrived before as many more are asked for.
const STEP: u32 = WINDOW / 4;

pub async fn received(bench: &Bench) -> Result<Row> {
    let subject = thousands(8, "UDP datagrams of 64 B to Subscribe", Bar::new(0.35, 0.60));
    bench.compare(subject, async || delivered(bench).await, async || raw(bench).await).await
}

/// Asks the peer for datagrams.
struct Source {
    control: TcpStream,
    arrived: u32,
}

impl Source {
    async fn open(bench: &Bench, target: SocketAddr) -> Result<Self> {
        let mut control = TcpStream::connect(bench.ports.datagrams).await?;
        control.set_nodelay(true)?;
        control.write_all(format!("{target}\n").as_bytes()).await?;
        control.write_u32(WINDOW).await?;
        Ok(Self { control, arrived: 0 })
    }

    async fn arrived(&mut self, count: u32) -> Result<()> {
        self.arrived += count;
        if self.arrived >= STEP {
            self.control.write_u32(std::mem::take(&mut self.arrived)).await?;
        }
        Ok(())
    }
}

async fn delivered(bench: &Bench) -> Result<Load> {
    let (mut load, mut sockets, subscriber) = (Load::default(), connect(bench.gateway).await?, fresh_subscriber());
    let request = UdpInRequest { host: "127.0.0.1".into(), subscriber: subscriber.clone(), ..Default::default() };
    let bound = sockets.udp_in(request).await?.into_inner();
    load.owns(&sockets, &bound.session_id);
    let mut stream = subscribe(&mut sockets, &subscriber).await?;
    let port = bound.listening.map_or(0, |listening| listening.local_port) as u16;
    let mut source = Source::open(bench, ([127, 0, 0, 1], port).into()).await?;
    let done = load.counter();
    load.spawn(async move {
        while let Some(message) = stream.message().await? {
            let data = message.envelopes.iter().filter(|envelope| envelope.event() == Event::Data);
            let (delivered, dropped) =
                data.fold((0, 0), |(count, dropped), envelope| (count + 1, dropped + envelope.dropped_before as u32));
            done.fetch_add(delivered.into(), Ordering::Relaxed);
            source.arrived(delivered + dropped).await?;
        }
        bail!("the stream ended")
    });
    Ok(load)
}

async fn raw(bench: &Bench) -> Result<Load> {
    let mut load = Load::default();
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    SockRef::from(&socket).set_recv_buffer_size(Limits::default().udp_receive_buffer_bytes)?;
    let mut source = Source::open(bench, socket.local_addr()?).await?;
    let done = load.counter();
    load.spawn(async move {
        let mut datagram = [0; DATAGRAM_BYTES];
        loop {
            socket.recv_from(&mut datagram).await?;
            done.fetch_add(1, Ordering::Relaxed);
            source.arrived(1).await?;
        }
    });
    Ok(load)
}
