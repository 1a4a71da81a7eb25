//! Any calls in any order against a simple reference: one holder of each data claim, everything to the holder of its moment and in
//! order, every life of an id from connecting to disconnected, and nothing left in the end.
//!
//! The calls go to the gateway itself, without gRPC; the peers are played by the test.

use std::{collections::HashMap, future::poll_fn, sync::Arc, time::Duration};

use bytes::Bytes;
use proptest::prelude::*;
use socket_gateway::{
    envelope::{Body, CloseReason, SessionId},
    error::{Error, Reason},
    framing::Content,
    gateway::{ConnectSpec, DisconnectSpec, ExchangeCall, Gateway, Pattern, SendSpec, SubscribeSpec, TcpOptions},
    identity::Caller,
    limits::Limits,
    registry::Session,
    session::{Answer, End, Mode, Written},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::support::{eventually, peers::drain, within};

const IDS: [&str; 3] = ["one", "two", "three"];
const SUBSCRIBERS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Copy, Debug)]
enum Ending {
    Disconnect,
    Abort,
    PeerCloses,
    PeerResets,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Open(usize, usize),
    Claim(usize, usize),
    /// With no subscriber the claim stays.
    Send(usize, Option<usize>),
    PeerSays(usize),
    Exchange(usize),
    Cancel(usize),
    End(usize, Ending),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (id, subscriber) = (0..IDS.len(), 0..SUBSCRIBERS.len());
    let ending =
        prop_oneof![Just(Ending::Disconnect), Just(Ending::Abort), Just(Ending::PeerCloses), Just(Ending::PeerResets)];
    let step = prop_oneof![
        4 => (id.clone(), subscriber.clone()).prop_map(|(id, subscriber)| Step::Open(id, subscriber)),
        3 => (id.clone(), subscriber.clone()).prop_map(|(id, subscriber)| Step::Claim(id, subscriber)),
        3 => (id.clone(), prop::option::of(subscriber)).prop_map(|(id, subscriber)| Step::Send(id, subscriber)),
        6 => id.clone().prop_map(Step::PeerSays),
        2 => id.clone().prop_map(Step::Exchange),
        1 => id.clone().prop_map(Step::Cancel),
        2 => (id, ending).prop_map(|(id, ending)| Step::End(id, ending)),
    ];
    prop::collection::vec(step, 1..60)
}

/// What a subscriber is to get of one id, in order. Data that comes in a row is one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Got {
    Connecting,
    Connected,
    Data(Vec<u8>),
    Failed(Reason),
    Disconnecting,
    Disconnected(CloseReason),
}

type Answered = JoinHandle<Result<(Written, Answer), Error>>;

enum Exchange {
    None,
    Collecting(Answered),
    Settling,
}

struct Live {
    far: TcpStream,
    opener: usize,
    holder: usize,
    generation: u64,
    received: u64,
    exchange: Exchange,
}

struct World {
    gateway: Arc<Gateway>,
    listener: TcpListener,
    live: HashMap<usize, Live>,
    /// By subscriber and id.
    due: HashMap<(usize, usize), Vec<Got>>,
    said: u64,
}

impl World {
    async fn new() -> Self {
        Self {
            gateway: Gateway::new(Limits::default()),
            listener: TcpListener::bind("127.0.0.1:0").await.expect("a free port"),
            live: HashMap::new(),
            due: HashMap::new(),
            said: 0,
        }
    }

    fn due(&mut self, subscriber: usize, id: usize, got: Got) {
        let due = self.due.entry((subscriber, id)).or_default();
        push(due, got);
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Open(id, subscriber) => self.open(id, subscriber).await,
            Step::Claim(id, subscriber) => self.claim(id, subscriber).await,
            Step::Send(id, subscriber) => self.send(id, subscriber).await,
            Step::PeerSays(id) => self.peer_says(id).await,
            Step::Exchange(id) => self.exchange(id).await,
            Step::Cancel(id) => self.cancel(id).await,
            Step::End(id, ending) => self.end(id, ending).await,
        }
        self.compare();
    }

    async fn open(&mut self, id: usize, subscriber: usize) {
        let address = self.listener.local_addr().expect("an address");
        let spec = ConnectSpec {
            host: "127.0.0.1".into(),
            port: address.port(),
            subscriber: SUBSCRIBERS[subscriber].into(),
            session_id: Some(SessionId::new(IDS[id])),
            options: TcpOptions {
                mode: Mode::Binary,
                wait_for: Pattern::None,
                timeout: None,
                on_timeout: None,
                allow_half_open: false,
                orphan_timeout: None,
            },
            connect_timeout: None,
            no_wait: false,
            request: None,
        };
        let opened = within(self.gateway.connect(&Caller::local(), spec)).await;
        if self.live.contains_key(&id) {
            assert_eq!(opened.expect_err("the id is in use").reason(), Reason::SessionIdConflict);
            return;
        }
        opened.expect("the id is free");
        let (far, _) = within(self.listener.accept()).await.expect("accepts");
        let (opener, holder) = (subscriber, subscriber);
        self.live.insert(id, Live { far, opener, holder, generation: 0, received: 0, exchange: Exchange::None });
        self.due(subscriber, id, Got::Connecting);
        self.due(subscriber, id, Got::Connected);
    }

    async fn claim(&mut self, id: usize, subscriber: usize) {
        let moved = self.gateway.claim_data(&Caller::local(), IDS[id], SUBSCRIBERS[subscriber], &None).await;
        let Some(live) = self.live.get_mut(&id) else {
            assert_eq!(moved.expect_err("it does not live").reason(), Reason::SessionNotFound);
            return;
        };
        let (generation, before) = moved.expect("it lives");
        live.generation += u64::from(live.holder != subscriber);
        assert_eq!((generation, &*before), (live.generation, SUBSCRIBERS[live.holder]));
        live.holder = subscriber;
    }

    async fn send(&mut self, id: usize, subscriber: Option<usize>) {
        let mut spec = SendSpec {
            session_id: IDS[id].into(),
            items: vec![Bytes::from_static(b"ping")],
            subscriber: subscriber.map_or_else(String::new, |subscriber| SUBSCRIBERS[subscriber].into()),
            wait_for: None,
            timeout: None,
            expected_offset: None,
            emit_sent: false,
        };
        let Some(live) = self.live.get_mut(&id) else {
            assert_eq!(
                self.gateway.send(&Caller::local(), &mut spec).await.expect_err("it is gone").reason(),
                Reason::SessionNotFound
            );
            return;
        };
        // It would wait for the turn.
        if !matches!(live.exchange, Exchange::None) {
            return;
        }
        within(self.gateway.send(&Caller::local(), &mut spec)).await.expect("it lives");
        read_ping(&mut live.far).await;
        if let Some(subscriber) = subscriber {
            live.generation += u64::from(live.holder != subscriber);
            live.holder = subscriber;
        }
    }

    async fn peer_says(&mut self, id: usize) {
        let Some(live) = self.live.get_mut(&id) else { return };
        self.said += 1;
        let said = format!("<{}>", self.said).into_bytes();
        live.far.write_all(&said).await.expect("the gateway reads");
        live.received += said.len() as u64;
        let received = live.received;
        let Ok(session) = self.gateway.registry.session("", IDS[id]) else { panic!("it lives") };
        eventually("it was read", || async { session.core().received() == received }).await;
        match std::mem::replace(&mut live.exchange, Exchange::None) {
            Exchange::Collecting(answered) => {
                let (_, answer) = within(answered).await.expect("no panic").expect("answered");
                assert_eq!((answer.end, answer.frames.concat()), (End::Frame, said));
            }
            Exchange::None | Exchange::Settling => {
                let holder = live.holder;
                self.due(holder, id, Got::Data(said));
            }
        }
    }

    async fn exchange(&mut self, id: usize) {
        let Some(live) = self.live.get_mut(&id) else { return };
        if !matches!(live.exchange, Exchange::None) {
            return;
        }
        let call = ExchangeCall {
            session_id: IDS[id].into(),
            items: vec![Bytes::from_static(b"ping")],
            wait_for: Pattern::None,
            timeout: Some(Duration::from_secs(60)),
            settle: Some(Duration::from_secs(60)),
            abort_unanswered: false,
            expected_offset: None,
        };
        let gateway = Arc::clone(&self.gateway);
        live.exchange =
            Exchange::Collecting(tokio::spawn(async move { gateway.exchange(&Caller::local(), call).await }));
        read_ping(&mut live.far).await;
    }

    async fn cancel(&mut self, id: usize) {
        let Some(live) = self.live.get_mut(&id) else { return };
        if let Exchange::Collecting(answered) = &mut live.exchange {
            answered.abort();
            assert!(within(answered).await.is_err_and(|error| error.is_cancelled()));
            live.exchange = Exchange::Settling;
        }
    }

    async fn end(&mut self, id: usize, ending: Ending) {
        let ask = |abort| DisconnectSpec {
            session_id: IDS[id].into(),
            abort,
            subscriber: String::new(),
            close_timeout: None,
        };
        let Some(mut live) = self.live.remove(&id) else {
            let refused = self.gateway.disconnect(&Caller::local(), &ask(false)).expect_err("it does not live");
            assert_eq!(refused.reason(), Reason::SessionNotFound);
            return;
        };
        let reason = match ending {
            Ending::Disconnect => {
                self.gateway.disconnect(&Caller::local(), &ask(false)).expect("it lives");
                self.due(live.opener, id, Got::Disconnecting);
                assert_eq!(within(drain(&mut live.far)).await, b"");
                drop(live.far);
                CloseReason::ByRequest
            }
            Ending::Abort => {
                self.gateway.disconnect(&Caller::local(), &ask(true)).expect("it lives");
                self.due(live.opener, id, Got::Disconnecting);
                CloseReason::Abort
            }
            Ending::PeerCloses => {
                drop(live.far);
                CloseReason::PeerClosed
            }
            Ending::PeerResets => {
                socket2::SockRef::from(&live.far).set_linger(Some(Duration::ZERO)).expect("lingers");
                drop(live.far);
                self.due(live.opener, id, Got::Failed(Reason::TransportError));
                CloseReason::PeerReset
            }
        };
        eventually("it is gone", || async { self.gateway.registry.session("", IDS[id]).is_err() }).await;
        self.due(live.opener, id, Got::Disconnected(reason));
        if let Exchange::Collecting(answered) = live.exchange {
            match within(answered).await.expect("no panic") {
                Ok((_, answer)) => assert_eq!((answer.end, reason), (End::PeerClosed, CloseReason::PeerClosed)),
                Err(error) => assert_eq!(error.reason(), Reason::SessionEnded),
            }
        }
    }

    /// What lives is what should, and each claim has its one holder.
    fn compare(&self) {
        let mut lives: Vec<String> = self.gateway.registry.sessions().iter().map(|s| s.core().id.to_string()).collect();
        let mut due: Vec<String> = self.live.keys().map(|id| IDS[*id].to_owned()).collect();
        lives.sort();
        due.sort();
        assert_eq!(lives, due);
        for (id, live) in &self.live {
            let Ok(Session::Tcp(session)) = self.gateway.registry.session("", IDS[*id]) else {
                panic!("no TCP session")
            };
            let holder = session.with_claim(|claim| (claim.holder().name().to_string(), claim.generation()));
            assert_eq!(holder, (SUBSCRIBERS[live.holder].to_owned(), live.generation));
        }
    }

    async fn finish(mut self) {
        for id in 0..IDS.len() {
            self.end(id, Ending::PeerCloses).await;
        }
        for (index, name) in SUBSCRIBERS.iter().enumerate() {
            let got = self.everything_of(name).await;
            for (at, id) in IDS.iter().enumerate() {
                let due = self.due.remove(&(index, at)).unwrap_or_default();
                assert_eq!(got.get(*id).cloned().unwrap_or_default(), due, "{name} of {id}");
            }
        }
        let registry = &self.gateway.registry;
        eventually("no task runs", || async { registry.tasks() == 0 }).await;
        // Nobody holds a lane or a stream any more, or the subscribers could not go.
        let now = tokio::time::Instant::now();
        self.gateway.subscribers.sweep(now);
        self.gateway.subscribers.sweep(now + Limits::default().subscriber_idle_timeout);
        assert!(self.gateway.subscribers.is_empty());
    }

    /// All that waits for a subscriber, by id.
    async fn everything_of(&self, name: &str) -> HashMap<String, Vec<Got>> {
        let spec = SubscribeSpec {
            subscriber: name.into(),
            events: true,
            data: true,
            session_ids: None,
            resume: None,
            heartbeat: None,
            acknowledged: false,
        };
        let mut stream = self.gateway.subscribe(&Caller::local(), spec).expect("subscribes");
        stream.subscriber().end_streams(&Error::shutting_down(), true);
        let mut all = HashMap::<String, Vec<Got>>::new();
        while let Some(Ok(batch)) = within(poll_fn(|cx| stream.poll_batch(cx))).await {
            for (_, envelope) in batch.envelopes {
                let got = match envelope.body {
                    Body::Connecting { .. } => Got::Connecting,
                    Body::Connected(_) => Got::Connected,
                    Body::Data(frame) => match frame.content {
                        Content::Chunk(bytes) => Got::Data(bytes.to_vec()),
                        other => panic!("no chunk: {other:?}"),
                    },
                    Body::Failed(error) => Got::Failed(error.reason()),
                    Body::Disconnecting => Got::Disconnecting,
                    Body::Disconnected { reason, .. } => Got::Disconnected(reason),
                    other => panic!("unexpected: {other:?}"),
                };
                let id = envelope.session.expect("all are of sessions").to_string();
                push(all.entry(id).or_default(), got);
            }
        }
        let view = stream.subscriber().view();
        assert_eq!((view.backlog_bytes, view.backlog_envelopes, view.paused_sessions), (0, 0, 0));
        all
    }
}

fn push(all: &mut Vec<Got>, got: Got) {
    match (all.last_mut(), got) {
        (Some(Got::Data(data)), Got::Data(more)) => data.extend(more),
        (_, got) => all.push(got),
    }
}

async fn read_ping(far: &mut TcpStream) {
    let mut ping = [0; 4];
    within(far.read_exact(&mut ping)).await.expect("written whole");
    assert_eq!(&ping, b"ping");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_byte_goes_to_the_holder_of_its_moment_and_nothing_is_left(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut world = World::new().await;
            for step in steps {
                world.step(step).await;
            }
            world.finish().await;
        });
    }
}
