//! The socket gateway: raw TCP and UDP sockets for any program, in any language, through gRPC.
//!
//! # The map
//!
//! A room imports only from floors below its own; `tests/layering.rs` holds that.
//!
//! | floor | room | owns |
//! |---|---|---|
//! | 0 | [`error`] | the one error type; the only table from an error to its code and its gRPC status |
//! | 0 | [`envelope`] | ids, envelopes and what they carry |
//! | 0 | [`identity`] | who calls: callers, namespaces, roles |
//! | 0 | [`limits`] | every bound, its default, its memory |
//! | 0 | [`quota`] | counts and rates: what is in use under a limit that may change |
//! | 0 | [`framing`] | bytes to lines and matches; no I/O, no clock |
//! | 1 | [`credentials`] | certificates, keys and who may call, loaded from files and swapped as a whole |
//! | 1 | [`metrics`] | what is counted, every metric by name, and the page of them |
//! | 1 | [`audit`] | who did what, as JSON lines that cannot be forged |
//! | 1 | [`net`] | every socket: resolving, connecting, binding, options, multicast |
//! | 1 | [`subscriber`] | named receivers, their bounded ordered backlog, streams, credit, acks, resume |
//! | 1 | [`memory`] | how much memory this process may have, and has |
//! | 1 | [`claims`] | who gets a session's data |
//! | 1 | [`changes`] | what changed, for those who watch |
//! | 1 | [`policy`] | who may dial and bind what: address classes, rules, profiles |
//! | 2 | [`session`] | one task per socket: reading, writing, closing, timers; exchanges and their turn |
//! | 3 | [`registry`] | what lives, by id; first and last envelopes; tasks |
//! | 4 | [`gateway`] | the use cases, free of gRPC |
//! | 5 | [`api`] | messages to specs, results to messages, the gRPC methods |
//! | 6 | [`admin`] | metrics, health and readiness over HTTP |
//! | 6 | [`config`] | settings from file, environment and flags; what is declared in the file, checked and opened |
//! | 6 | [`server`] | the gRPC server, and the way down |
//! | 7 | [`commands`] | the commands that use a gateway, as clients of it |
//! | 7 | [`cli`] | the command line, logs, signals |
//!
//! # The path of a byte
//!
//! Peer, socket, `session::tcp` reads it (as much as the holder's credit allows), `framing` makes frames, `subscriber::Lane` takes
//! them into the backlog of whoever holds the data claim, `subscriber::Subscription` hands them out round robin with a sequence
//! number, `api::render` makes messages, Subscribe or Attach delivers.
//!
//! Back: a send becomes a spec in `api::parse`, `gateway::send` finds the session in the `registry`, `session::sending` moves the
//! claim and writes to the socket at once, or leaves what does not fit to the session's task.

pub mod admin;
pub mod api;
pub mod audit;
pub mod changes;
pub mod claims;
pub mod cli;
pub mod commands;
pub mod config;
pub mod credentials;
pub mod envelope;
pub mod error;
pub mod framing;
pub mod gateway;
pub mod identity;
pub mod limits;
pub mod memory;
pub mod metrics;
pub mod net;
pub mod policy;
pub mod quota;
pub mod registry;
pub mod server;
pub mod session;
pub mod subscriber;
