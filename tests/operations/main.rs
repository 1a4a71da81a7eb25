//! The binary under its operators: signals, reload, sockets of a service manager, limits reached, floods, and the way down.

#![allow(clippy::disallowed_methods, reason = "a test plays the peers, which own their sockets and clocks")]
#![allow(missing_docs, unreachable_pub, reason = "a test is not a library")]

/// Sockets that a service manager hands over, and what it is told.
mod activation;
/// SIGTERM in every state.
mod drain;
/// HTTP/2 attacks.
mod floods;
/// HTTP/2 frames by hand.
mod h2;
/// Metrics, audit log and logs of the binary.
mod observing;
/// Overload: descriptors and logs.
mod overload;
/// A gateway as a process.
mod process;
/// SIGHUP.
mod reload;
/// Traces.
mod traces;
