//! The integration tests: one file per promise, against a gateway that runs in this process and is reached over gRPC.

#![allow(clippy::disallowed_methods, reason = "tests play the peers and the clients, with sockets and tasks of their own")]
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no callers")]

mod support;

/// Data and events reach their subscriber in order, at its pace, within bounds.
mod delivery;
/// A session from connecting to disconnected, and how it is spoken to.
mod tcp_sessions;
