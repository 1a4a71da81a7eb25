//! The commands that use a gateway: connect, listen, send, exchange, udp-in, udp-out, subscribe, sessions, close, top.
//!
//! They are clients like any other, of this machine's gateway or of one far away, and know nothing of the rooms that serve.
//! Data goes to standard output, everything said about it to standard error. Exit codes are those of sysexits.h where it has one.

mod calls;
mod datagrams;
mod end;
mod output;
mod pipe;
mod sessions;
mod subscribe;
mod target;
mod top;
mod view;

use clap::Subcommand;

pub use self::end::End;

/// The commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Connect to a host and pass standard input and output through, as nc does
    Connect(pipe::Connect),
    /// Accept a connection at the gateway and pass standard input and output through, as nc -l does
    Listen(pipe::Listen),
    /// Send on a session that lives: the words given, an item each, or standard input
    Send(calls::Send),
    /// Send on a session and print the answer
    Exchange(calls::Exchange),
    /// Bind a UDP socket at the gateway and print what comes
    UdpIn(datagrams::UdpIn),
    /// Send a datagram: the text given, or standard input
    UdpOut(calls::UdpOut),
    /// Print what a subscriber gets
    Subscribe(subscribe::Subscribe),
    /// List the sessions and listeners
    Sessions(sessions::Sessions),
    /// Close a session or a listener
    Close(calls::Close),
    /// Watch the sessions in a table that is always up to date
    Top(top::Top),
}

impl Command {
    /// Runs the command to its end.
    ///
    /// # Errors
    /// How it ended otherwise than asked.
    pub(crate) fn run(self) -> Result<(), End> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| End::failed(format!("cannot start threads: {error}")))?;
        let end = runtime.block_on(async {
            match self {
                Self::Connect(connect) => connect.run().await,
                Self::Listen(listen) => listen.run().await,
                Self::Send(send) => send.run().await,
                Self::Exchange(exchange) => exchange.run().await,
                Self::UdpIn(udp_in) => udp_in.run().await,
                Self::UdpOut(udp_out) => udp_out.run().await,
                Self::Subscribe(subscribe) => subscribe.run().await,
                Self::Sessions(sessions) => sessions.run().await,
                Self::Close(close) => close.run().await,
                Self::Top(top) => top.run().await,
            }
        });
        // A read of standard input may hang for ever: nobody waits for it any more.
        runtime.shutdown_background();
        end
    }
}
