//! A session: one TCP connection that the gateway holds.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::{runtime::Handle, time::timeout};

use crate::{
    error::Error,
    events::{Capture, Closed, Data, Ends, Event, Line, Match},
    gateway::{FAREWELL, Owner},
    inbox::Inbox,
    options::duration,
    payload::{Payload, Terminator},
    proto,
    stream::SessionStream,
};

/// What completed an exchange.
pub use crate::proto::ExchangeEnd;

/// A TCP connection of the gateway. It is closed when it is dropped, unless `leave_open` was called. Sending and reading may go on at
/// the same time; of several readers each piece of data goes to one.
pub struct Session {
    owner: Arc<Owner>,
    inbox: Arc<Inbox>,
    terminator: Terminator,
    leave_open: bool,
    /// Lines that came together and were asked for one by one.
    lines: Mutex<VecDeque<Line>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// The answer of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What completed it.
    pub end: ExchangeEnd,
    /// What came, oldest first; with `wait_for` what came before the match.
    pub frames: Vec<Line>,
    /// The line, or the unfinished rest of one, that matched.
    pub matched: Option<Line>,
    /// The pattern's capture groups.
    pub captures: Vec<Capture>,
}

impl Answer {
    /// Everything that came as text, a line each.
    pub fn text(&self) -> String {
        let lines: Vec<String> = self.frames.iter().chain(&self.matched).map(Line::to_string).collect();
        lines.join("\n")
    }
}

/// What the gateway says of a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// An id for this send, unique within the gateway process.
    pub message_id: String,
    /// How many items were written.
    pub items: u32,
    /// The session's outbound byte count after this send.
    pub write_offset: u64,
}

/// How a send goes.
#[derive(Clone, Debug, Default)]
pub struct SendOptions {
    terminator: Option<Terminator>,
    leave_claim: bool,
    wait_for: Option<String>,
    timeout: Option<Duration>,
    expected_write_offset: Option<u64>,
}

impl SendOptions {
    /// Another terminator than the session's.
    #[must_use]
    pub fn terminator(mut self, terminator: Terminator) -> Self {
        self.terminator = Some(terminator);
        self
    }

    /// The answer goes to whoever got the data before.
    #[must_use]
    pub fn leave_claim(mut self) -> Self {
        self.leave_claim = true;
        self
    }

    /// Line mode: from now on lines are collected until one matches; empty: no more.
    #[must_use]
    pub fn wait_for(mut self, pattern: impl Into<String>) -> Self {
        self.wait_for = Some(pattern.into());
        self
    }

    /// The session's inactivity timeout from now on; zero: none.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// Write only where the session's outbound byte count is this: so a retry after a lost answer is refused instead of doubled.
    #[must_use]
    pub fn expected_write_offset(mut self, offset: u64) -> Self {
        self.expected_write_offset = Some(offset);
        self
    }
}

/// How an exchange goes.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    wait_for: String,
    timeout: Option<Duration>,
    settle_timeout: Option<Duration>,
    abort_unanswered: bool,
}

impl Exchange {
    /// The answer is whatever comes next: a line, or what one read brings in binary mode.
    pub fn one_frame() -> Self {
        Self::default()
    }

    /// The answer is complete when a line matches this regular expression, or the unfinished rest of one.
    pub fn until(pattern: impl Into<String>) -> Self {
        Self { wait_for: pattern.into(), ..Self::default() }
    }

    /// How long it may take, the wait for the turn included. Default: the gateway's.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// How long the turn is kept for a late answer. Default: the gateway's.
    #[must_use]
    pub fn settle_timeout(mut self, time: Duration) -> Self {
        self.settle_timeout = Some(time);
        self
    }

    /// Abort the session when no answer comes, so that nobody can take a late one for another.
    #[must_use]
    pub fn abort_unanswered(mut self) -> Self {
        self.abort_unanswered = true;
        self
    }
}

impl Session {
    pub(crate) fn new(owner: Arc<Owner>, inbox: Arc<Inbox>, leave_open: bool) -> Self {
        Self { owner, inbox, terminator: Terminator::None, leave_open, lines: Mutex::default() }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.inbox.id
    }

    /// What is appended to every text from now on. Default: nothing.
    #[must_use]
    pub fn with_terminator(mut self, terminator: Terminator) -> Self {
        self.terminator = terminator;
        self
    }

    /// Both ends; None where they are not known (a session taken over from another program).
    pub fn ends(&self) -> Option<Ends> {
        self.inbox.lock().ends
    }

    /// Both ends, once the connection stands.
    ///
    /// # Errors
    /// How it ended instead.
    pub async fn connected(&self) -> Result<Ends, Error> {
        self.inbox.connected().await
    }

    /// Sends text (with the terminator) or bytes, and waits until the gateway's operating system has taken it. The answer comes here,
    /// whoever got the data before. Dropping the future does not take back what is on its way.
    ///
    /// # Errors
    /// `Closed`, `Interrupted`, or what the gateway says.
    pub async fn send(&self, payload: impl Into<Payload>) -> Result<Sent, Error> {
        self.send_with(payload, SendOptions::default()).await
    }

    /// As `send`, with options.
    ///
    /// # Errors
    /// As `send`; `Reason::WriteOffsetMismatch`, `Reason::WaitForInvalid`.
    pub async fn send_with(&self, payload: impl Into<Payload>, options: SendOptions) -> Result<Sent, Error> {
        let (payload, terminator) = (payload.into(), options.terminator.unwrap_or(self.terminator));
        let bytes = payload.len(terminator);
        let request = proto::TcpSendRequest {
            session_id: self.id().to_owned(),
            payload: payload.into_items(),
            line_terminator: terminator.into(),
            subscriber: if options.leave_claim { String::new() } else { self.owner.link.subscriber.clone() },
            wait_for: options.wait_for,
            timeout: duration(options.timeout)?,
            expected_write_offset: options.expected_write_offset,
            ..Default::default()
        };
        self.check_open()?;
        let sent = self.owner.link.send(&self.inbox, request, bytes).await?;
        Ok(Sent { message_id: sent.message_id, items: sent.chunk_count, write_offset: sent.write_offset })
    }

    /// Sends and gives the answer, with the session's turn: no other caller's answer can get in between. With `Payload::none()` it
    /// sends nothing and waits for what the peer says by itself, as a greeting.
    ///
    /// # Errors
    /// `Reason::Timeout`, `Reason::SessionEnded`, and as `send`.
    pub async fn exchange(&self, payload: impl Into<Payload>, how: Exchange) -> Result<Answer, Error> {
        let on_unanswered =
            if how.abort_unanswered { proto::UnansweredAction::Abort } else { proto::UnansweredAction::Settle };
        let request = proto::TcpExchangeRequest {
            session_id: self.id().to_owned(),
            payload: payload.into().into_items(),
            line_terminator: self.terminator.into(),
            wait_for: how.wait_for,
            timeout: duration(how.timeout)?,
            on_unanswered: on_unanswered.into(),
            settle_timeout: duration(how.settle_timeout)?,
            subscriber: self.owner.link.subscriber.clone(),
            ..Default::default()
        };
        let answer = self.owner.link.sockets().tcp_exchange(request).await?.into_inner();
        Ok(Answer {
            end: answer.end(),
            frames: answer.frames.into_iter().map(Line::from).collect(),
            matched: answer.r#match.map(Line::from),
            captures: answer.captures.into_iter().map(Capture::from).collect(),
        })
    }

    /// Lets the data of this session come here from now on, without sending anything. Gives the name of who got it before.
    ///
    /// # Errors
    /// `Reason::SessionNotFound`.
    pub async fn claim(&self) -> Result<String, Error> {
        let claim = proto::ClaimDataRequest {
            session_id: self.id().to_owned(),
            subscriber: self.owner.link.subscriber.clone(),
            ..Default::default()
        };
        Ok(self.owner.link.channels.sessions().claim_data(claim).await?.into_inner().previous_subscriber)
    }

    /// The next data, whatever it is; None when the peer has ended, or the session was closed here. Dropping the future loses nothing.
    ///
    /// # Errors
    /// How it ended where that was not in order.
    pub async fn next(&self) -> Result<Option<Data>, Error> {
        let Some((data, due)) = self.inbox.next().await? else { return Ok(None) };
        self.owner.link.ack(&self.inbox.id, due);
        Ok(Some(data))
    }

    /// The next bytes of a binary session.
    ///
    /// # Errors
    /// As `next`; `Invalid` where the session is in line mode.
    pub async fn next_chunk(&self) -> Result<Option<Bytes>, Error> {
        match self.next().await? {
            None => Ok(None),
            Some(Data::Chunk(bytes)) => Ok(Some(bytes)),
            Some(_) => Err(wrong("chunks", "next_line, next_match or next")),
        }
    }

    /// The next line of a session in line mode. Of a match it gives the lines one by one, the match as the last of them.
    ///
    /// # Errors
    /// As `next`; `Invalid` for the data of a UDP socket.
    pub async fn next_line(&self) -> Result<Option<Line>, Error> {
        loop {
            if let Some(line) = self.lock_lines().pop_front() {
                return Ok(Some(line));
            }
            match self.next().await? {
                None => return Ok(None),
                Some(Data::Line(line)) => return Ok(Some(line)),
                // Not every line is UTF-8.
                Some(Data::Chunk(bytes)) => return Ok(Some(Line::Bytes(bytes))),
                Some(Data::Match(found)) => self.lock_lines().extend(found.lines.into_iter().chain([found.matched])),
                Some(Data::Flushed { lines, .. }) => self.lock_lines().extend(lines),
                Some(Data::Datagram(_)) => return Err(wrong("lines", "UdpSocket::recv")),
            }
        }
    }

    fn lock_lines(&self) -> MutexGuard<'_, VecDeque<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next match of a session with `wait_for`; lines that come without one are given as a match of nothing.
    ///
    /// # Errors
    /// As `next`; `Invalid` where the session has no `wait_for`.
    pub async fn next_match(&self) -> Result<Option<Match>, Error> {
        match self.next().await? {
            None => Ok(None),
            Some(Data::Match(found)) => Ok(Some(found)),
            Some(Data::Flushed { lines, .. }) => {
                Ok(Some(Match { lines, matched: Line::Text(String::new()), captures: Vec::new() }))
            }
            Some(_) => Err(wrong("matches", "next_line, next_chunk or next")),
        }
    }

    /// All lines, as a stream.
    pub fn lines(&self) -> impl Stream<Item = Result<Line, Error>> + '_ {
        stream::try_unfold(self, |session| async move { Ok(session.next_line().await?.map(|line| (line, session))) })
    }

    /// All bytes, as a stream of chunks.
    pub fn chunks(&self) -> impl Stream<Item = Result<Bytes, Error>> + '_ {
        stream::try_unfold(self, |session| async move { Ok(session.next_chunk().await?.map(|bytes| (bytes, session))) })
    }

    /// All matches, as a stream.
    pub fn matches(&self) -> impl Stream<Item = Result<Match, Error>> + '_ {
        stream::try_unfold(self, |session| async move { Ok(session.next_match().await?.map(|found| (found, session))) })
    }

    /// The next event, beside the data and not in step with its reading; None after the last. The last 64 are kept.
    ///
    /// # Errors
    /// `GatewayRestarted` and the like.
    pub async fn next_event(&self) -> Result<Option<Event>, Error> {
        self.inbox.next_event().await
    }

    /// How many bytes the gateway has written to the peer.
    ///
    /// # Errors
    /// `Reason::SessionNotFound`.
    pub async fn write_offset(&self) -> Result<u64, Error> {
        let request = proto::GetSessionRequest { session_id: self.id().to_owned(), ..Default::default() };
        let shown = self.owner.link.channels.sessions().get_session(request).await?.into_inner().session;
        Ok(shown.unwrap_or_default().bytes_sent)
    }

    /// Ends the connection in order: what is queued is written, then FIN. What the peer still sends can be read until `closed`; it has
    /// the gateway's close timeout (10 s by default) to end its own side.
    ///
    /// # Errors
    /// What the gateway says. A session that has ended already is no error.
    pub async fn disconnect(&self) -> Result<(), Error> {
        self.end(proto::TcpDisconnectRequest::default()).await
    }

    /// As `disconnect`, with another time for the peer, at most an hour.
    ///
    /// # Errors
    /// As `disconnect`.
    pub async fn disconnect_within(&self, time: Duration) -> Result<(), Error> {
        let close_timeout = duration(Some(time))?;
        self.end(proto::TcpDisconnectRequest { close_timeout, ..Default::default() }).await
    }

    /// Cuts the connection (RST).
    ///
    /// # Errors
    /// As `disconnect`.
    pub async fn abort(&self) -> Result<(), Error> {
        self.end(proto::TcpDisconnectRequest { abort: true, ..Default::default() }).await
    }

    async fn end(&self, mut request: proto::TcpDisconnectRequest) -> Result<(), Error> {
        if self.inbox.lock().is_over() {
            return Ok(());
        }
        self.id().clone_into(&mut request.session_id);
        match self.owner.link.sockets().tcp_disconnect(request).await.map_err(Error::from) {
            Err(error) if error.reason() != Some(crate::error::Reason::SessionNotFound) => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits for the end, and tells how it came. Data that is not read holds it up: the gateway ends a session after its last byte.
    ///
    /// # Errors
    /// `GatewayRestarted` and the like.
    pub async fn closed(&self) -> Result<Closed, Error> {
        self.inbox.closed().await
    }

    /// Bytes in, bytes out, as of a socket.
    pub fn into_stream(self) -> SessionStream {
        SessionStream::new(self)
    }

    /// Whether the gateway still has it, as far as is known here.
    pub fn is_open(&self) -> bool {
        !self.inbox.lock().is_over()
    }

    /// The session lives on without this program, until the orphan timeout or another program takes it up.
    pub fn leave_open(mut self) {
        self.leave_open = true;
    }

    fn check_open(&self) -> Result<(), Error> {
        let state = self.inbox.lock();
        match (&state.closed, &state.lost) {
            (Some(closed), _) => Err(Error::Closed(closed.clone())),
            (None, Some(lost)) => Err(lost.clone()),
            (None, None) => Ok(()),
        }
    }

    pub(crate) fn owner(&self) -> &Arc<Owner> {
        &self.owner
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let link = &self.owner.link;
        let over = self.inbox.lock().is_over();
        link.ack(&self.inbox.id, self.inbox.discard());
        if over {
            return link.forget(&self.inbox);
        }
        if self.leave_open {
            return;
        }
        // Without a runtime nothing can be said any more; the orphan timeout does the rest.
        let Ok(runtime) = Handle::try_current() else { return };
        let (owner, inbox) = (Arc::clone(&self.owner), Arc::clone(&self.inbox));
        runtime.spawn(async move {
            let request = proto::TcpDisconnectRequest { session_id: inbox.id.clone(), ..Default::default() };
            let farewell = async {
                let _ = owner.link.sockets().tcp_disconnect(request).await;
                let _ = inbox.closed().await;
            };
            let _ = timeout(FAREWELL, farewell).await;
            owner.link.forget(&inbox);
        });
    }
}

fn wrong(asked: &str, instead: &str) -> Error {
    Error::Invalid(format!("this session does not give {asked}: use {instead}"))
}
