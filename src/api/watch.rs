//! Watch: a snapshot of everything that lives, then every change.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use prost::Message;
use tokio::{
    sync::{broadcast::Receiver, broadcast::error::RecvError, mpsc},
    time::{Instant, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{
    padding::Padding,
    parse::heartbeat,
    parse_fields::Faults,
    proto::{self, ChangeKind, watch_response::Subject},
    session_service,
};
use crate::{
    changes::Change,
    error::{Error, Reason},
    gateway::Gateway,
    identity::{Caller, Scoped, Sight},
};

/// Messages on their way to one watcher; behind them changes wait in the broadcast queue, and a watcher that falls out of that
/// gets a fresh snapshot.
const QUEUE: usize = 64;

pub(super) type WatchStream = ReceiverStream<Result<proto::WatchResponse, Status>>;

type Gone = mpsc::error::SendError<Result<proto::WatchResponse, Status>>;

struct Watcher {
    gateway: Arc<Gateway>,
    sight: Sight,
    changes: Receiver<Change>,
    out: mpsc::Sender<Result<proto::WatchResponse, Status>>,
    heartbeat: Option<Duration>,
    padding: Padding,
}

/// # Errors
/// REQUEST_INVALID, ROLE_DENIED, LIMIT_REACHED, SHUTTING_DOWN.
pub(super) fn watch(
    gateway: &Arc<Gateway>,
    caller: &Arc<Caller>,
    request: &proto::WatchRequest,
    padding: Padding,
) -> Result<WatchStream, Error> {
    let mut faults = Faults::default();
    let heartbeat = heartbeat(&mut faults, request.heartbeat_interval.as_ref());
    faults.check(Reason::RequestInvalid)?;
    let sight = caller.sight(&request.namespace)?;
    if gateway.registry.is_draining() {
        return Err(Error::shutting_down());
    }
    let (most, changes) = (gateway.limits.now().watchers, gateway.registry.changes());
    if changes.watchers() >= most {
        return Err(Error::limit("watchers", most, "as many watch as may; end another watch first"));
    }
    let (out, stream) = mpsc::channel(QUEUE);
    let mut watcher =
        Watcher { gateway: Arc::clone(gateway), sight, changes: changes.watch(), out, heartbeat, padding };
    gateway.registry.spawn_background(async move {
        let gone = watcher.out.clone();
        let draining = watcher.gateway.registry.draining();
        tokio::select! {
            // The client has left: nothing more can be sent to it.
            () = gone.closed() => {}
            () = draining.cancelled() => {
                let _ = gone.try_send(Err(Error::shutting_down().into()));
            }
            _ = watcher.run() => {}
        }
    });
    Ok(ReceiverStream::new(stream))
}

impl Watcher {
    async fn run(&mut self) -> Result<(), Gone> {
        // Changes are watched already: nothing falls between the snapshot and them.
        self.snapshot().await?;
        let mut told = Instant::now();
        loop {
            let change = match self.heartbeat {
                Some(interval) => timeout_at(told + interval, self.changes.recv()).await,
                None => Ok(self.changes.recv().await),
            };
            match change {
                // What happens in other namespaces does not even put off a heartbeat.
                Ok(Ok(change)) if !self.sight.shows(change.namespace()) => continue,
                Ok(Ok(change)) => self.tell(change).await?,
                Ok(Err(RecvError::Lagged(_))) => self.snapshot().await?,
                Ok(Err(RecvError::Closed)) => return Ok(()),
                Err(_) => self.send(ChangeKind::Unspecified, None).await?,
            }
            told = Instant::now();
        }
    }

    async fn send(&mut self, kind: ChangeKind, subject: Option<Subject>) -> Result<(), Gone> {
        let mut response = proto::WatchResponse { kind: kind.into(), subject, padding: Bytes::new() };
        response.padding = self.padding.of(0, || response.encoded_len());
        self.out.send(Ok(response)).await
    }

    async fn snapshot(&mut self) -> Result<(), Gone> {
        self.send(ChangeKind::SnapshotBegin, None).await?;
        for subscriber in self.gateway.subscribers.all() {
            if self.sight.shows(&subscriber.owner().namespace) {
                let shown = session_service::subscriber(&subscriber);
                self.send(ChangeKind::Added, Some(Subject::Subscriber(shown))).await?;
            }
        }
        for listener in self.gateway.registry.listeners() {
            if self.sight.shows(&listener.owner.namespace) {
                let shown = session_service::listener(&self.gateway, &listener);
                self.send(ChangeKind::Added, Some(Subject::Listener(shown))).await?;
            }
        }
        for session in self.gateway.registry.sessions() {
            if self.sight.shows(&session.core().owner.namespace) {
                self.send(ChangeKind::Added, Some(Subject::Session(session_service::session(&session)))).await?;
            }
        }
        self.send(ChangeKind::SnapshotEnd, None).await
    }

    async fn tell(&mut self, change: Change) -> Result<(), Gone> {
        let registry = &self.gateway.registry;
        let (kind, subject) = match change {
            Change::SessionAdded(ref id) | Change::SessionChanged(ref id) => match registry
                .session(&id.namespace, id.id.as_str())
            {
                Ok(session) => {
                    let kind =
                        if matches!(change, Change::SessionAdded(_)) { ChangeKind::Added } else { ChangeKind::Changed };
                    (kind, Subject::Session(session_service::session(&session)))
                }
                // Gone again meanwhile; its removal comes next.
                Err(_) => return Ok(()),
            },
            Change::SessionRemoved(id) => {
                let (namespace, session_id) = (id.namespace.to_string(), id.id.to_string());
                let session = proto::Session { session_id, namespace, ..proto::Session::default() };
                (ChangeKind::Removed, Subject::Session(session))
            }
            Change::ListenerAdded(id) => match registry.listener(&id.namespace, id.id.as_str()) {
                Ok(listener) => {
                    let shown = session_service::listener(&self.gateway, &listener);
                    (ChangeKind::Added, Subject::Listener(shown))
                }
                Err(_) => return Ok(()),
            },
            Change::ListenerRemoved(id) => {
                let (namespace, listener_id) = (id.namespace.to_string(), id.id.to_string());
                let listener = proto::Listener { listener_id, namespace, ..proto::Listener::default() };
                (ChangeKind::Removed, Subject::Listener(listener))
            }
            Change::SubscriberAdded(name) => (ChangeKind::Added, named(&name)),
            Change::SubscriberRemoved(name) => (ChangeKind::Removed, named(&name)),
        };
        self.send(kind, Some(subject)).await
    }
}

fn named(name: &Scoped<Arc<str>>) -> Subject {
    let (namespace, name) = (name.namespace.to_string(), name.id.to_string());
    Subject::Subscriber(proto::Subscriber { name, namespace, ..proto::Subscriber::default() })
}
