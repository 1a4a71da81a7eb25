#![doc = include_str!("../README.md")]
//!
//! # The map
//!
//! [`Gateway`] opens [`Session`]s, [`Listener`]s and [`UdpSocket`]s. All of them share one Attach stream (`link`), which sorts what
//! comes into one inbox a session, acks what the application takes, and resumes when it breaks. [`SessionStream`] makes a session a
//! byte stream. [`proto`] has the generated stubs for everything else.

#![allow(clippy::needless_update, reason = "a field that a newer API has must not break the build")]

mod accepting;
mod channel;
mod error;
mod events;
mod gateway;
mod inbox;
mod link;
mod listener;
mod options;
mod payload;
pub mod proto;
mod session;
mod stream;
mod udp;

pub use self::{
    channel::{Credentials, Sessions, Sockets},
    error::{Error, Failure, Reason, Violation},
    events::{Capture, CloseReason, Closed, Data, Datagram, Ends, Event, Line, Match},
    gateway::{DEFAULT_TARGET, Gateway},
    listener::Listener,
    options::{Options, TcpOptions, Tls, UdpOptions},
    payload::{Payload, Terminator},
    session::{Answer, Exchange, ExchangeEnd, SendOptions, Sent, Session},
    stream::SessionStream,
    udp::UdpSocket,
};
