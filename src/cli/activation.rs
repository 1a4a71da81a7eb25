//! Listening sockets handed over by a service manager (systemd's socket activation, sd_listen_fds(3)): the manager keeps them open
//! while the gateway is restarted, so that no connection attempt is lost.
//!
//! A socket belongs to the declared listener of its name (FileDescriptorName=). `grpc` is the gRPC port; where no socket is called
//! so, the first that no listener claims is.

use std::{
    ffi::OsString,
    net::{SocketAddr, TcpListener},
};

use anyhow::{Context, bail};
use listenfd::ListenFd;

use crate::config::Declarations;

/// The name of the gRPC port's socket.
const GRPC: &str = "grpc";

/// The sockets that were handed over and are not taken yet, by name.
#[derive(Default)]
pub(super) struct Inherited(Vec<(String, TcpListener)>);

impl Inherited {
    /// The sockets of this process. Called once, before any thread is started: the variables are removed from the environment, so
    /// that no child takes them for its own.
    pub(super) fn take(environment: &[(OsString, OsString)]) -> anyhow::Result<Self> {
        let names = environment.iter().find(|(name, _)| name == "LISTEN_FDNAMES");
        let names = names.map(|(_, names)| names.to_string_lossy().into_owned()).unwrap_or_default();
        let mut names = names.split(':');
        let mut handed = ListenFd::from_env();
        let mut sockets = Vec::new();
        for at in 0..handed.len() {
            let name = names.next().unwrap_or_default().to_owned();
            let socket = handed.take_tcp_listener(at).with_context(|| {
                format!("socket {at} (\"{name}\") of the service manager: only listening TCP sockets can be taken over")
            })?;
            sockets.extend(socket.map(|socket| (name, socket)));
        }
        Ok(Self(sockets))
    }

    /// The gRPC port's socket.
    pub(super) fn grpc(&mut self, declared: &Declarations) -> Option<TcpListener> {
        let claimed = |name: &str| declared.tcp_listen.iter().any(|listener| listener.name.as_deref() == Some(name));
        self.named(GRPC).or_else(|| {
            let at = self.0.iter().position(|(name, _)| !claimed(name))?;
            Some(self.0.remove(at).1)
        })
    }

    /// The socket of a name.
    pub(super) fn named(&mut self, name: &str) -> Option<TcpListener> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// A socket that nobody serves would let its clients wait for ever.
    pub(super) fn check_all_taken(&self) -> anyhow::Result<()> {
        if let Some((name, socket)) = self.0.first() {
            let address =
                socket.local_addr().map_or_else(|_| "?".to_owned(), |address: SocketAddr| address.to_string());
            bail!(
                "the service manager handed over a socket \"{name}\" at {address} that nothing here serves: call it \"{GRPC}\", or \
                 after the `name` of a [[tcp_listen]] (FileDescriptorName= in the socket unit)"
            );
        }
        Ok(())
    }
}
