//! Sessions and listeners: one task owns each socket's life, callers hold handles.
//!
//! A TCP session has three short locks, always taken in this order and never across an await: `outbound` (what is to be written),
//! `inbound` (what was read and who gets it) and, innermost, the turn or a subscriber's backlog. A caller's send writes to the
//! socket itself while nothing is queued, else its items wait in the session's queue, which the session's task writes: so an item
//! survives the caller that sent it. A stuck write never stops reading, nor the other way round.

mod core;
mod driver;
mod exchange;
mod inbound;
mod listener;
mod outbound;
mod sending;
mod span;
mod tap;
mod tcp;
mod turn;
mod udp;

pub use self::{
    core::{Attending, Close, Core, OnTimeout, SessionSpec},
    driver::{drive as drive_tcp, exchange, send, send_later},
    exchange::{Answer, End, ExchangeSpec},
    listener::{Listener, accept_loop},
    outbound::{PutOff, Send, Sending, Written},
    span::SESSIONS,
    tap::{Direction, Lost, TapQueue, TapRecord, Tapped, Taps},
    tcp::{Mode, TcpSession, TcpSpec},
    udp::{UdpSession, drive as drive_udp},
};
pub use crate::envelope::{Kind, State};
