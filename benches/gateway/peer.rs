//! The role `peer`: the far ends of the sockets. Each behaviour has a port of its own, and what a connection asks for ends with it.

use std::{cell::RefCell, io, net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
};

use crate::process::announce;

/// A line of the flood of lines, its end included.
pub const LINE_BYTES: usize = 64;

/// A datagram of the flood of datagrams.
pub const DATAGRAM_BYTES: usize = 64;

const CHUNK: usize = 256 * 1024;

/// Dials under way at once.
const DIALS: usize = 64;

thread_local! {
    /// Ten thousand sinks must not hold ten thousand buffers.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

/// Where the peer does what.
#[derive(Clone, Serialize, Deserialize)]
pub struct Ports {
    /// Sends back what it gets.
    pub echo: SocketAddr,
    /// Reads and forgets. Several, because a port pair stays taken for a while after each connection.
    pub sinks: Vec<SocketAddr>,
    /// Sends bytes for as long as they are taken.
    pub bytes: SocketAddr,
    /// Sends lines for as long as they are taken.
    pub lines: SocketAddr,
    /// Told an address, sends datagrams there until the connection ends.
    pub datagrams: SocketAddr,
    /// Told an address and a number, opens as many connections; says so, and holds them until this one ends.
    pub dial: SocketAddr,
}

pub async fn run() -> Result<()> {
    let mut sinks = Vec::new();
    for _ in 0..4 {
        sinks.push(serve(sink).await?);
    }
    let mut line = [b'x'; LINE_BYTES];
    line[LINE_BYTES - 1] = b'\n';
    let (bytes, lines) = (vec![b'x'; CHUNK], line.repeat(CHUNK / LINE_BYTES));
    let ports = Ports {
        echo: serve(echo).await?,
        sinks,
        bytes: serve(move |stream| flood(stream, bytes.clone())).await?,
        lines: serve(move |stream| flood(stream, lines.clone())).await?,
        datagrams: serve(datagrams).await?,
        dial: serve(dial).await?,
    };
    announce(serde_json::to_value(ports)?).await;
    Ok(())
}

async fn serve<F>(behave: impl Fn(TcpStream) -> F + Send + 'static) -> Result<SocketAddr>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // A connection may end as it likes; the client notices when something is missing.
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(behave(stream));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    });
    Ok(address)
}

async fn echo(mut stream: TcpStream) -> Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            bytes => stream.write_all(&buffer[..bytes]).await?,
        }
    }
}

async fn sink(stream: TcpStream) -> Result<()> {
    loop {
        stream.readable().await?;
        match SCRATCH.with_borrow_mut(|scratch| stream.try_read(scratch)) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn flood(mut stream: TcpStream, what: Vec<u8>) -> Result<()> {
    loop {
        stream.write_all(&what).await?;
    }
}

async fn datagrams(stream: TcpStream) -> Result<()> {
    let mut control = BufReader::new(stream);
    let target: SocketAddr = order(&mut control).await?.parse()?;
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(target).await?;
    let datagram = [b'x'; DATAGRAM_BYTES];
    let flood = async {
        loop {
            // Refused where the receiver has gone; the order to stop is on its way.
            let _ = socket.send(&datagram).await;
        }
    };
    tokio::select! {
        () = flood => {}
        _ = control.read_u8() => {}
    }
    Ok(())
}

async fn dial(stream: TcpStream) -> Result<()> {
    let mut control = BufReader::new(stream);
    let order = order(&mut control).await?;
    let (target, count) = order.split_once(' ').context("an address and a number")?;
    let (target, mut left): (SocketAddr, usize) = (target.parse()?, count.parse()?);
    let mut held = JoinSet::new();
    while left > 0 {
        let now = left.min(DIALS);
        let mut dials: JoinSet<_> = (0..now).map(|_| TcpStream::connect(target)).collect();
        while let Some(dialled) = dials.join_next().await {
            held.spawn(sink(dialled??));
        }
        left -= now;
    }
    control.write_all(b"held\n").await?;
    control.read_u8().await?;
    Ok(())
}

async fn order(control: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    control.read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}
