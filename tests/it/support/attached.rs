//! An Attach stream: commands up, and what comes down sorted into envelopes, answers and credits.

use std::collections::VecDeque;

use socket_gateway::api::proto::{
    self, Answer, AttachRequest, AttachSubscribe, DeliveryMode, Envelope, SendCredit, SubscribeRequest, answer,
    attach_request::Command,
};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::{Sockets, within};

/// Commands that may wait to be sent.
const WAITING: usize = 64;

pub struct Attached {
    commands: mpsc::Sender<AttachRequest>,
    stream: Streaming<proto::AttachResponse>,
    pub start: proto::StreamStart,
    pub gap: Option<proto::Gap>,
    pub envelopes: VecDeque<Envelope>,
    pub answers: VecDeque<Answer>,
    pub credits: Vec<SendCredit>,
    pub heartbeats: usize,
    next_id: u64,
}

impl Attached {
    pub async fn plain(sockets: Sockets) -> Self {
        Self::open(sockets, AttachSubscribe::default()).await.expect("attaches")
    }

    pub async fn acknowledged(sockets: Sockets, subscription: SubscribeRequest) -> Self {
        let subscription = Some(subscription);
        let subscribe = AttachSubscribe { subscription, delivery_mode: DeliveryMode::Acknowledged.into() };
        Self::open(sockets, subscribe).await.expect("attaches")
    }

    pub async fn open(sockets: Sockets, subscribe: AttachSubscribe) -> Result<Self, Status> {
        let (commands, mut stream) = up_and_down(sockets, Command::Subscribe(subscribe)).await?;
        let first = within(stream.message()).await?.expect("a first message");
        Ok(Self {
            commands,
            stream,
            start: first.start.expect("the first message is the start"),
            gap: first.gap,
            envelopes: first.envelopes.into(),
            answers: first.answers.into(),
            credits: first.credits,
            heartbeats: 0,
            next_id: 0,
        })
    }

    /// Sends a command; gives its correlation id.
    pub async fn command(&mut self, command: Command) -> u64 {
        self.next_id += 1;
        let request = AttachRequest { correlation_id: self.next_id, command: Some(command) };
        within(self.commands.send(request)).await.expect("the stream goes up");
        self.next_id
    }

    pub async fn ack(&mut self, sequence: u64) {
        self.command(Command::Ack(proto::Ack { sequence, sessions: Vec::new() })).await;
    }

    /// Reads one message; how the stream ended otherwise.
    pub async fn read(&mut self) -> Result<(), Option<Status>> {
        let message = within(self.stream.message()).await?.ok_or(None)?;
        self.envelopes.extend(message.envelopes);
        self.answers.extend(message.answers);
        self.credits.extend(message.credits);
        self.heartbeats += usize::from(message.heartbeat.is_some());
        Ok(())
    }

    /// The next envelope.
    pub async fn envelope(&mut self) -> Envelope {
        while self.envelopes.is_empty() {
            self.read().await.expect("the stream goes on");
        }
        self.envelopes.pop_front().expect("not empty")
    }

    /// The next answer: whose it is, and what it says.
    pub async fn answer(&mut self) -> (u64, answer::Result) {
        while self.answers.is_empty() {
            self.read().await.expect("the stream goes on");
        }
        let answer = self.answers.pop_front().expect("not empty");
        (answer.correlation_id, answer.result.expect("a result"))
    }

    /// Sends a command and gives its answer, which must be the next.
    pub async fn ask(&mut self, command: Command) -> answer::Result {
        let id = self.command(command).await;
        let (answered, result) = self.answer().await;
        assert_eq!(answered, id, "{result:?}");
        result
    }

    /// As `ask`, of a command that must fail.
    pub async fn fails(&mut self, command: Command) -> proto::CommandError {
        match self.ask(command).await {
            answer::Result::Error(error) => error,
            other => panic!("it did not fail: {other:?}"),
        }
    }
}

/// An Attach stream whose first message is this.
pub async fn up_and_down(
    mut sockets: Sockets,
    first: Command,
) -> Result<(mpsc::Sender<AttachRequest>, Streaming<proto::AttachResponse>), Status> {
    let (commands, up) = mpsc::channel(WAITING);
    commands.send(AttachRequest { correlation_id: 0, command: Some(first) }).await.expect("room for one");
    let up = tokio_stream::wrappers::ReceiverStream::new(up);
    Ok((commands, within(sockets.attach(up)).await?.into_inner()))
}
