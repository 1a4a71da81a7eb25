//! The gRPC face: messages to specs, results to messages, and methods of a few lines.

mod attach;
mod gateway_service;
mod parse;
mod parse_fields;
pub mod proto;
mod render;
mod session_service;
mod watch;

pub use self::parse::{connect_spec, listen_spec, udp_in_spec};
pub use self::{gateway_service::GatewayService, session_service::SessionsService};
