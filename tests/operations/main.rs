//! The binary under its operators: signals, reload, sockets of a service manager, limits reached, floods, and the way down.

#![allow(clippy::disallowed_methods, reason = "a test plays the peers, which own their sockets and clocks")]
#![allow(missing_docs, unreachable_pub, reason = "a test is not a library")]

#[allow(dead_code, reason = "shared with the integration tests")]
#[path = "../it/support/mod.rs"]
mod support;

/// Sockets that a service manager hands over, and what it is told.
mod activation;
/// Callers with a token each.
mod callers;
/// SIGTERM in every state.
mod drain;
/// HTTP/2 attacks.
mod floods;
/// HTTP/2 frames by hand.
mod h2;
/// Lookups that take their time.
mod lookups;
/// A control group that is nearly used up.
mod memory_group;
/// Metrics, audit log and logs of the binary.
mod observing;
/// Overload: descriptors and logs.
mod overload;
/// A gateway as a process.
mod process;
/// What two identities may use.
mod quotas;
/// SIGHUP.
mod reload;
/// Traces.
mod traces;
