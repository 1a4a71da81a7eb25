//! The one Attach stream of a `Gateway`: sorts what comes down, sends what goes up, and comes back when it breaks.
//!
//! The stream is in acknowledged mode: the gateway keeps what is not acked, so a stream that breaks is resumed without a gap. It is
//! resumed from the beginning of what is not acked; what has come already is known by its sequence.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use crate::{
    accepting::Accepting,
    channel::{Channels, Sockets},
    error::{Error, Reason},
    inbox::Inbox,
    proto::{self, AttachRequest, AttachResponse, Envelope, TcpSendRequest, answer, attach_request::Command},
};

/// Commands that wait to go out: beyond that, callers wait.
const COMMANDS_WAITING: usize = 64;

/// The first and the longest rest between attempts to come back.
const RESTS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);

pub(crate) struct Link {
    pub(crate) channels: Channels,
    pub(crate) subscriber: String,
    reconnect_for: Duration,
    heartbeat: Duration,
    state: Mutex<State>,
    /// The stream came or went, or credit came.
    changed: Notify,
    acks: Notify,
}

#[derive(Default)]
struct State {
    sessions: HashMap<String, Arc<Inbox>>,
    listeners: HashMap<String, Arc<Accepting>>,
    /// Up to where each lane is to be acked.
    acks: BTreeMap<String, u64>,
    /// Where commands go while there is a stream.
    commands: Option<mpsc::Sender<AttachRequest>>,
    /// Counts the streams.
    stream: u64,
    /// Instance and epoch of the last stream.
    origin: Option<(String, String)>,
    next_id: u64,
    answers: HashMap<u64, Waiting>,
    first_credit: u64,
    credits: HashMap<String, Credit>,
    ended: Option<Error>,
}

struct Waiting {
    session: Option<String>,
    tell: oneshot::Sender<Result<answer::Result, Error>>,
}

/// The credit of one session on this stream.
#[derive(Default)]
struct Credit {
    sent: u64,
    limit: u64,
    /// Sends without an answer.
    open: usize,
}

type Down = Streaming<AttachResponse>;

impl Link {
    /// Attaches for the first time.
    pub(crate) async fn open(
        channels: Channels,
        subscriber: String,
        reconnect_for: Duration,
        heartbeat: Duration,
    ) -> Result<(Arc<Self>, Down), Error> {
        let link = Arc::new(Self {
            channels,
            subscriber,
            reconnect_for,
            heartbeat,
            state: Mutex::default(),
            changed: Notify::new(),
            acks: Notify::new(),
        });
        let down = link.attach().await?;
        Ok((link, down))
    }

    /// Serves the stream until it cannot be had any more.
    pub(crate) async fn run(self: Arc<Self>, mut down: Down) {
        loop {
            let broken = self.serve(&mut down).await;
            self.interrupt();
            let back = if is_final(&broken) { Err(broken) } else { self.come_back(broken).await };
            down = match back {
                Ok(down) => down,
                Err(error) => return self.end(&error),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn attach(&self) -> Result<Down, Error> {
        let origin = self.lock().origin.clone();
        let resume = origin.map(|(instance_id, epoch)| proto::Resume { instance_id, epoch, after_sequence: 0 });
        let subscription = proto::SubscribeRequest {
            subscriber: self.subscriber.clone(),
            resume,
            heartbeat_interval: self.heartbeat.try_into().ok(),
            ..Default::default()
        };
        let subscribe = proto::AttachSubscribe {
            subscription: Some(subscription),
            delivery_mode: proto::DeliveryMode::Acknowledged.into(),
        };
        let (commands, up) = mpsc::channel(COMMANDS_WAITING);
        let first = AttachRequest { correlation_id: 0, command: Some(Command::Subscribe(subscribe)) };
        // There is room: the queue is new.
        let _ = commands.try_send(first);
        let mut sockets = self.channels.sockets();
        let mut down = sockets.attach(ReceiverStream::new(up)).await?.into_inner();
        let start = down.message().await?.and_then(|first| first.start);
        let start = start.ok_or_else(|| Error::Unreachable("the stream began without a start".to_owned()))?;
        let mut state = self.lock();
        state.commands = Some(commands);
        state.stream += 1;
        state.origin = Some((start.instance_id, start.epoch));
        state.first_credit = start.send_credit;
        drop(state);
        self.changed.notify_waiters();
        Ok(down)
    }

    /// Reads the stream and sends acks until it breaks.
    async fn serve(&self, down: &mut Down) -> Error {
        // A heartbeat is due when nothing else comes; three that are missing mean a stream that is dead.
        let silence = self.heartbeat * 3;
        loop {
            tokio::select! {
                message = timeout(silence, down.message()) => match message {
                    Ok(Ok(Some(message))) => self.take(message),
                    Ok(Ok(None)) => return Error::Unreachable("the gateway ended the stream".to_owned()),
                    Ok(Err(status)) => return status.into(),
                    Err(_) => return Error::Unreachable("the stream is silent".to_owned()),
                },
                () = self.acks.notified() => self.send_acks().await,
            }
        }
    }

    fn take(&self, message: AttachResponse) {
        for envelope in message.envelopes {
            self.deliver(envelope);
        }
        if message.answers.is_empty() && message.credits.is_empty() {
            return;
        }
        let mut state = self.lock();
        for answer in message.answers {
            state.answered(answer);
        }
        for credit in message.credits {
            if let Some(known) = state.credits.get_mut(&credit.session_id) {
                known.limit = known.limit.max(credit.send_limit);
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    fn deliver(&self, mut envelope: Envelope) {
        use proto::Event;
        let (event, sequence) = (envelope.event(), envelope.sequence);
        if envelope.session_id.is_empty() {
            let lane = envelope.listener_id;
            if event == Event::Closed
                && let Some(listener) = self.lock().listeners.remove(&lane)
            {
                listener.close();
            }
            return self.ack(&lane, Some(sequence));
        }
        let id = envelope.session_id.clone();
        let begins = matches!(event, Event::Connecting | Event::Connected | Event::Listening);
        // One that is new was accepted, or opened by somebody else for this subscriber: nobody here has asked for it yet.
        let (inbox, new) = self.find_or_enter(&id, begins, Inbox::unaccepted);
        let listener = std::mem::take(&mut envelope.listener_id);
        let due = inbox.deliver(envelope);
        // Only now: whoever accepts it wants to know its ends.
        if new && event == Event::Connected && !listener.is_empty() {
            self.listener(&listener).push(Arc::clone(&inbox));
        }
        if event == Event::Disconnected && Arc::strong_count(&inbox) <= 2 {
            // Nobody else knows it, and nobody can ask for it any more.
            self.lock().sessions.remove(&id);
            return self.ack(&id, Some(sequence));
        }
        self.ack(&id, due);
    }

    /// The inbox of a session, or a new one; one that has ended makes room for a session that begins with its id.
    fn find_or_enter(&self, id: &str, begins: bool, make: impl FnOnce(String) -> Inbox) -> (Arc<Inbox>, bool) {
        let mut state = self.lock();
        if let Some(known) = state.sessions.get(id)
            && !(begins && known.lock().is_over())
        {
            return (Arc::clone(known), false);
        }
        let inbox = Arc::new(make(id.to_owned()));
        state.credits.remove(id);
        state.sessions.insert(id.to_owned(), Arc::clone(&inbox));
        (inbox, true)
    }

    /// Enters an inbox, instead of an earlier one of its id.
    pub(crate) fn enter(&self, inbox: Inbox) -> Arc<Inbox> {
        let inbox = Arc::new(inbox);
        let mut state = self.lock();
        state.credits.remove(&inbox.id);
        state.sessions.insert(inbox.id.clone(), Arc::clone(&inbox));
        inbox
    }

    /// The inbox of a session that lives already.
    pub(crate) fn adopt(&self, id: &str) -> Arc<Inbox> {
        let (inbox, _) = self.find_or_enter(id, true, Inbox::new);
        let due = inbox.accept();
        self.ack(id, due);
        inbox
    }

    /// Forgets an inbox, unless its id belongs to another already.
    pub(crate) fn forget(&self, inbox: &Arc<Inbox>) {
        let mut state = self.lock();
        if let Entry::Occupied(entry) = state.sessions.entry(inbox.id.clone())
            && Arc::ptr_eq(entry.get(), inbox)
        {
            entry.remove();
            state.credits.remove(&inbox.id);
        }
    }

    /// Where the sessions that a listener accepts wait. They may come before the answer that tells its id.
    pub(crate) fn listener(&self, id: &str) -> Arc<Accepting> {
        Arc::clone(self.lock().listeners.entry(id.to_owned()).or_default())
    }

    pub(crate) fn ack(&self, lane: &str, up_to: Option<u64>) {
        let Some(sequence) = up_to else { return };
        let mut state = self.lock();
        match state.acks.get_mut(lane) {
            Some(known) => *known = sequence.max(*known),
            None => {
                state.acks.insert(lane.to_owned(), sequence);
            }
        }
        drop(state);
        self.acks.notify_one();
    }

    async fn send_acks(&self) {
        let (commands, acks) = {
            let mut state = self.lock();
            (state.commands.clone(), std::mem::take(&mut state.acks))
        };
        let sessions = acks.into_iter().map(|(session_id, sequence)| proto::SessionAck { session_id, sequence });
        let ack = proto::Ack { sequence: 0, sessions: sessions.collect() };
        if let Some(commands) = commands
            && !ack.sessions.is_empty()
        {
            // Acks that are lost with the stream are repeated when their envelopes come again.
            let _ = commands.send(AttachRequest { correlation_id: 0, command: Some(Command::Ack(ack)) }).await;
        }
    }

    /// The stream broke: nobody will answer what is under way.
    fn interrupt(&self) {
        let mut state = self.lock();
        state.commands = None;
        state.credits.clear();
        for (_, waiting) in state.answers.drain() {
            let _ = waiting.tell.send(Err(Error::Interrupted));
        }
        drop(state);
        self.changed.notify_waiters();
    }

    async fn come_back(&self, mut why: Error) -> Result<Down, Error> {
        let until = Instant::now() + self.reconnect_for;
        let mut rest = RESTS.0;
        while Instant::now() < until {
            let attempt = timeout(ATTEMPT, self.attach()).await;
            why = match attempt.unwrap_or_else(|_| Err(Error::Unreachable("no answer".to_owned()))) {
                Ok(down) => return Ok(down),
                Err(error) => error,
            };
            if matches!(why.reason(), Some(Reason::InstanceChanged | Reason::EpochChanged)) {
                self.lose_all(&Error::GatewayRestarted);
                continue;
            }
            if is_final(&why) {
                break;
            }
            sleep(rest).await;
            rest = (rest * 2).min(RESTS.1);
        }
        Err(why)
    }

    /// All sessions and listeners are gone.
    fn lose_all(&self, why: &Error) {
        let mut state = self.lock();
        let (sessions, listeners) = (std::mem::take(&mut state.sessions), std::mem::take(&mut state.listeners));
        state.origin = None;
        state.acks.clear();
        drop(state);
        sessions.values().for_each(|inbox| inbox.lose(why));
        listeners.values().for_each(|listener| listener.lose(why));
    }

    /// Nothing works any more.
    pub(crate) fn end(&self, why: &Error) {
        self.lock().ended.get_or_insert_with(|| why.clone());
        self.interrupt();
        self.lose_all(why);
    }

    /// Sends under the session's credit, in the order of the calls, and waits for the answer.
    pub(crate) async fn send(
        &self,
        inbox: &Inbox,
        request: TcpSendRequest,
        bytes: u64,
    ) -> Result<proto::TcpSendResponse, Error> {
        let order = inbox.sending.lock().await;
        let answer = match self.room(&inbox.id, bytes).await? {
            Some((commands, stream)) => self.command(commands, stream, Command::TcpSend(request), Some(bytes)).await?,
            // Larger than any credit: nothing of this session is under way, so a call of its own keeps the order.
            None => return Ok(self.channels.sockets().tcp_send(request).await?.into_inner()),
        };
        drop(order);
        match answer.await.unwrap_or(Err(Error::Interrupted))? {
            answer::Result::TcpSend(sent) => Ok(sent),
            _ => Err(Error::Unreachable("the gateway gave the answer to another question".to_owned())),
        }
    }

    /// Sends a datagram and waits for the answer.
    pub(crate) async fn udp_out(&self, request: proto::UdpOutRequest) -> Result<proto::UdpOutResponse, Error> {
        let (commands, stream) = self.until(|state| Some(state.up())).await??;
        let answer = self.command(commands, stream, Command::UdpOut(request), None).await?;
        match answer.await.unwrap_or(Err(Error::Interrupted))? {
            answer::Result::UdpOut(sent) => Ok(sent),
            _ => Err(Error::Unreachable("the gateway gave the answer to another question".to_owned())),
        }
    }

    /// Waits for credit; None where no credit is large enough, once nothing of the session is under way.
    async fn room(&self, session: &str, bytes: u64) -> Result<Option<(mpsc::Sender<AttachRequest>, u64)>, Error> {
        self.until(|state| {
            let up = match state.up() {
                Ok(up) => up,
                Err(error) => return Some(Err(error)),
            };
            let first = state.first_credit;
            let credit = state.credits.entry(session.to_owned()).or_default();
            credit.limit = credit.limit.max(first);
            if bytes > first {
                return (credit.open == 0).then_some(Ok(None));
            }
            (credit.sent + bytes <= credit.limit).then_some(Ok(Some(up)))
        })
        .await?
    }

    /// Puts a command on the stream; the answer comes later.
    async fn command(
        &self,
        commands: mpsc::Sender<AttachRequest>,
        stream: u64,
        command: Command,
        bytes: Option<u64>,
    ) -> Result<oneshot::Receiver<Result<answer::Result, Error>>, Error> {
        let place = commands.reserve().await.map_err(|_| Error::Interrupted)?;
        let (tell, answer) = oneshot::channel();
        let mut state = self.lock();
        if state.stream != stream || state.commands.is_none() {
            return Err(Error::Interrupted);
        }
        state.next_id += 1;
        let correlation_id = state.next_id;
        let session = match (&command, bytes) {
            (Command::TcpSend(send), Some(bytes)) => {
                let credit = state.credits.entry(send.session_id.clone()).or_default();
                credit.sent += bytes;
                credit.open += 1;
                Some(send.session_id.clone())
            }
            _ => None,
        };
        state.answers.insert(correlation_id, Waiting { session, tell });
        place.send(AttachRequest { correlation_id, command: Some(command) });
        Ok(answer)
    }

    /// Waits until `look` has an answer; an error where there is no stream any more.
    async fn until<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> Result<T, Error> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let mut state = self.lock();
                if let Some(ended) = &state.ended {
                    return Err(ended.clone());
                }
                if state.commands.is_some()
                    && let Some(found) = look(&mut state)
                {
                    return Ok(found);
                }
            }
            changed.await;
        }
    }

    pub(crate) fn sockets(&self) -> Sockets {
        self.channels.sockets()
    }
}

impl State {
    /// Where commands go, and on which stream.
    fn up(&self) -> Result<(mpsc::Sender<AttachRequest>, u64), Error> {
        self.commands.clone().map(|commands| (commands, self.stream)).ok_or(Error::Interrupted)
    }

    fn answered(&mut self, answer: proto::Answer) {
        let Some(waiting) = self.answers.remove(&answer.correlation_id) else { return };
        if let Some(credit) = waiting.session.and_then(|session| self.credits.get_mut(&session)) {
            credit.open -= 1;
        }
        let result = match answer.result {
            Some(answer::Result::Error(error)) => Err(error.into()),
            Some(result) => Ok(result),
            None => Err(Error::Unreachable("an answer without a result".to_owned())),
        };
        // Whoever asked may have gone.
        let _ = waiting.tell.send(result);
    }
}

/// Whether no other attempt can go better.
fn is_final(error: &Error) -> bool {
    match error {
        Error::Gateway(failure) => match failure.reason {
            Reason::StreamStalled | Reason::ShuttingDown | Reason::InstanceChanged | Reason::EpochChanged => false,
            _ => !matches!(failure.code, Code::Unavailable | Code::Internal | Code::Cancelled | Code::DeadlineExceeded),
        },
        _ => false,
    }
}
