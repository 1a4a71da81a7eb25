//! The gateway among real programs: servers from the distribution behind it, and grpcurl, which knows it only by reflection, in
//! front of it. A program that is missing fails the tests; `scripts/test` installs them.

#![allow(
    clippy::disallowed_methods,
    reason = "tests play the callers: they start processes, look at the clock and wait"
)]
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no callers")]

mod support;

/// The commands that use a gateway.
mod commands;
/// DNS over UDP, asked from the gateway's own socket.
mod dns;
/// The programs under `examples/`.
mod examples;
/// An SMTP dialogue, up to the queued mail.
mod mail;
/// Set and get by exchanges.
mod memcached;
/// Two gateways with a wire between them.
mod namespaces;
/// The commands of the README and what they print.
mod readme;
/// A pipeline, read back line by line.
mod redis;
/// The commands of docs/security.md, over TLS with tokens.
mod security;
/// What a stranger finds out with nothing but the address.
mod stranger;
