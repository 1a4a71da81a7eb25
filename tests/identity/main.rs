//! Who calls, and what is another's: hostile callers with credentials of every kind of badness, and with good ones of their own.

#![allow(
    clippy::disallowed_methods,
    reason = "tests play the peers and the clients, with sockets and tasks of their own"
)]
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no callers")]

#[allow(dead_code, reason = "shared with the integration tests")]
#[path = "../it/support/mod.rs"]
mod support;

/// A gateway as a process.
#[allow(dead_code, reason = "shared with the tests of operations")]
#[path = "../operations/process.rs"]
mod process;

/// Authorities, certificates and keys, and tokens signed with them.
mod credentials;
/// A gateway that asks who calls, and clients of it.
mod world;

/// Whoever tries credentials.
mod guessing;
/// One caller against what another has, through every method of the API.
mod isolation;
/// JSON web tokens: good ones, and every way of being bad.
mod jwt;
/// What is counted of callers, and who looks at what sessions move.
mod observed;
/// Tokens and certificates that change while the program runs.
mod reloading;
/// What observers and operators may.
mod roles;
/// What the program says and refuses as it starts, and what it never says.
mod starting;
/// Streams end when their credentials do.
mod streams;
/// TLS: handshakes, client certificates, certificates that are swapped.
mod tls;
/// Bearer tokens.
mod tokens;
