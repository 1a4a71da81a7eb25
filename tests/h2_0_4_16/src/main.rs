//! A gRPC client on h2 0.4.16, the first release that closes a connection with too many unread small DATA frames.
//!
//! Usage: `h2-0-4-16-client ADDRESS PATH`. Standard input is a protocol: first the request in hexadecimal digits on a line, then one
//! line for each turn: "one" reads one DATA frame, "all" reads to the end. What is read goes to standard output as it came, gRPC's
//! five-byte prefixes included. While it waits for a line nothing is read from the stream, but the connection is served, as a program
//! does whose own code is busy elsewhere. Exits with 1, and the reason on standard error, when the stream breaks.

use std::error::Error;

use bytes::{BufMut, Bytes, BytesMut};
use h2::RecvStream;
use http::Request;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Stdout},
    net::TcpStream,
};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// What tonic's clients announce.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 5 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("no address")?;
    let path = arguments.next().ok_or("no path")?;
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let request = message(&orders.next_line().await?.ok_or("no request")?)?;

    let socket = TcpStream::connect(&address).await?;
    socket.set_nodelay(true)?;
    let (client, connection) = h2::client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake::<_, Bytes>(socket)
        .await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            eprintln!("the connection ended: {error}");
        }
    });
    let head = Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    let (response, mut up) = client.ready().await?.send_request(head, false)?;
    up.send_data(request, true)?;
    let mut body = response.await?.into_body();

    let mut out = tokio::io::stdout();
    while let Some(order) = orders.next_line().await? {
        match order.as_str() {
            "one" => drop(read_one(&mut body, &mut out).await?),
            "all" => while read_one(&mut body, &mut out).await? {},
            other => return Err(format!("not an order: {other}").into()),
        }
    }
    Ok(())
}

/// A gRPC message, uncompressed.
fn message(hex: &str) -> Fallible<Bytes> {
    let digits = |at: usize| u8::from_str_radix(hex.get(at..at + 2).unwrap_or_default(), 16);
    let message = (0..hex.len()).step_by(2).map(digits).collect::<Result<Vec<u8>, _>>()?;
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(message.len().try_into()?);
    framed.put_slice(&message);
    Ok(framed.freeze())
}

/// Reads one DATA frame; false at the end.
async fn read_one(body: &mut RecvStream, out: &mut Stdout) -> Fallible<bool> {
    let Some(data) = body.data().await.transpose()? else { return Ok(false) };
    body.flow_control().release_capacity(data.len())?;
    out.write_all(&data).await?;
    out.flush().await?;
    Ok(true)
}
