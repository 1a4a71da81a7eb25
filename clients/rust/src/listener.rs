//! A listener: a TCP server socket that the gateway holds.

use std::{fmt, net::SocketAddr, sync::Arc};

use tokio::{runtime::Handle, time::timeout};

use crate::{
    accepting::Accepting,
    error::{Error, Reason},
    gateway::{FAREWELL, Owner},
    proto,
    session::Session,
};

/// Accepts connections at the gateway. It is closed when it is dropped; the sessions it accepted live on.
pub struct Listener {
    owner: Arc<Owner>,
    id: String,
    local: SocketAddr,
    accepting: Arc<Accepting>,
    open: bool,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("id", &self.id).field("local", &self.local).finish_non_exhaustive()
    }
}

impl Listener {
    pub(crate) fn new(owner: Arc<Owner>, id: String, local: SocketAddr, accepting: Arc<Accepting>) -> Self {
        Self { owner, id, local, accepting, open: true }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The address and port it is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The next connection. Dropping the future loses none.
    ///
    /// # Errors
    /// `ListenerClosed` when it has ended.
    pub async fn accept(&self) -> Result<Session, Error> {
        let inbox = self.accepting.next().await?;
        let due = inbox.accept();
        self.owner.link.ack(&inbox.id, due);
        Ok(Session::new(Arc::clone(&self.owner), inbox, false))
    }

    /// Ends it, with the sessions it accepted where asked; tells how many of them are being closed.
    ///
    /// # Errors
    /// What the gateway says. One that has ended already is no error.
    pub async fn close(mut self, sessions_too: bool) -> Result<u32, Error> {
        self.open = false;
        unlisten(&self.owner, self.id.clone(), sessions_too).await
    }
}

async fn unlisten(owner: &Owner, listener_id: String, close_sessions: bool) -> Result<u32, Error> {
    let subscriber = owner.link.subscriber.clone();
    let request = proto::TcpUnlistenRequest { listener_id, close_sessions, subscriber, ..Default::default() };
    match owner.link.sockets().tcp_unlisten(request).await.map_err(Error::from) {
        Err(error) if error.reason() != Some(Reason::ListenerNotFound) => Err(error),
        Err(_) => Ok(0),
        Ok(answer) => Ok(answer.into_inner().sessions_closing),
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        // Without a runtime nothing can be said any more.
        let Ok(runtime) = Handle::try_current() else { return };
        let (owner, id) = (Arc::clone(&self.owner), std::mem::take(&mut self.id));
        runtime.spawn(async move {
            let _ = timeout(FAREWELL, unlisten(&owner, id, false)).await;
        });
    }
}
