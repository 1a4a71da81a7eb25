//! The gRPC face: messages to specs, results to messages, and methods of a few lines.

mod access;
mod answers;
mod attach;
mod callers;
mod commands;
mod data_field;
mod down;
mod gateway_service;
mod gathering;
mod padding;
mod parse;
mod parse_fields;
mod parse_udp;
pub mod proto;
mod render;
mod send_credit;
mod session_service;
mod tap;
mod up;
mod watch;

pub use self::{
    access::Access,
    attach::AttachStream,
    callers::Callers,
    down::{AttachMessage, Down, SubscribeMessage},
    gateway_service::{GatewayService, SubscribeStream},
    parse::{connect_spec, listen_spec},
    parse_udp::udp_in_spec,
    session_service::SessionsService,
    tap::TapStream,
    up::AttachCommand,
};
