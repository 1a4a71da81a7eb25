//! HTTP/2 by hand: frames as an attacker makes them (RFC 9113).

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::process::PATIENCE;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header as a literal that is not indexed (RFC 7541, section 6.2.2).
pub fn header(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for part in [name, value] {
        // Lengths of 127 and more go on in further bytes (section 5.1).
        let mut rest = part.len();
        if rest < 127 {
            field.push(rest as u8);
        } else {
            field.push(127);
            rest -= 127;
            while rest >= 128 {
                field.push((rest % 128) as u8 | 128);
                rest /= 128;
            }
            field.push(rest as u8);
        }
        field.extend(part.as_bytes());
    }
    field
}

/// The headers of a call.
pub fn call(method: &str) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", method),
        (":authority", "attack"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    fields.iter().flat_map(|(name, value)| header(name, value)).collect()
}

/// A connection that has sent its preface and settings, and acknowledged the server's.
pub fn connect(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_nodelay(true).expect("no delay");
    stream.write_all(PREFACE).expect("taken");
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).expect("taken");
    stream.write_all(&frame(SETTINGS, ACK, 0, &[])).expect("taken");
    stream
}

/// Writes this again and again, and reads nothing, until the server cuts the connection or takes nothing for a second.
/// True: it was cut.
pub fn flood(stream: &mut TcpStream, most: usize, mut next: impl FnMut(usize) -> Vec<u8>) -> bool {
    stream.set_write_timeout(Some(Duration::from_secs(1))).expect("a timeout");
    for n in 0..most {
        match stream.write_all(&next(n)) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => return false,
            Err(_) => return true,
        }
    }
    false
}

/// Everything the server still says, until it ends the connection or is silent for a second: the kind and payload of each frame.
pub fn rest(stream: &mut TcpStream) -> Vec<(u8, Vec<u8>)> {
    stream.set_read_timeout(Some(Duration::from_secs(1))).expect("a timeout");
    std::iter::from_fn(|| next(stream)).collect()
}

/// Reads until a frame is what is looked for; false where the connection ends first.
pub fn says(stream: &mut TcpStream, wanted: impl Fn(u8, &[u8]) -> bool) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    std::iter::from_fn(|| next(stream)).any(|(kind, payload)| wanted(kind, &payload))
}

fn next(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).ok()?;
    Some((head[3], payload))
}
