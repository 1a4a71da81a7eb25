//! The socket gateway: raw TCP and UDP sockets for any program, in any language, through gRPC.

pub mod api;
pub mod changes;
pub mod claims;
pub mod envelope;
pub mod error;
pub mod framing;
pub mod gateway;
pub mod limits;
pub mod net;
pub mod registry;
pub mod server;
pub mod session;
pub mod subscriber;
