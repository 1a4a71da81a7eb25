//! Any operations in any order against a simple reference: what is pushed is delivered once to every stream that is there, in its
//! lane's order, or counted as dropped; and in the end nothing is left.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Two TCP sessions and a UDP socket.
const LANES: usize = 3;
const UDP: usize = 2;

#[derive(Clone, Debug)]
enum Step {
    Push(Kind, usize, usize),
    Kernel,
    Attach(usize),
    Resume(usize),
    Detach(usize),
    Message(usize),
    Budget(usize),
    /// Up to so many before the newest.
    Ack(u64),
    AckLane(usize, u64),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Data,
    Event,
    Report,
    Datagram,
}

/// What happened on one output of one lane.
#[derive(Clone, Copy, Debug)]
enum Happened {
    Pushed(u64, Kind),
    KernelDrop,
}

fn steps(acknowledged: bool) -> impl Strategy<Value = Vec<Step>> {
    let push = prop_oneof![
        (0..UDP, 256..1500_usize).prop_map(|(lane, cost)| Step::Push(Kind::Data, lane, cost)),
        (0..LANES).prop_map(|lane| Step::Push(Kind::Event, lane, 0)),
        (0..LANES).prop_map(|lane| Step::Push(Kind::Report, lane, 0)),
        (264..1500_usize).prop_map(|cost| Step::Push(Kind::Datagram, UDP, cost)),
        Just(Step::Kernel),
    ];
    let stream = prop_oneof![
        6 => (0..4_usize).prop_map(Step::Message),
        1 => (0..3_usize).prop_map(Step::Attach),
        1 => (0..4_usize).prop_map(Step::Detach),
        1 => (0..4_usize).prop_map(Step::Resume),
        3 => (0..LANES).prop_map(Step::Budget),
    ];
    let ack = prop_oneof![
        (0..9_u64).prop_map(Step::Ack),
        (0..LANES, 0..9_u64).prop_map(|(lane, back)| Step::AckLane(lane, back)),
    ];
    prop::collection::vec(prop_oneof![4 => push, 4 => stream, u32::from(acknowledged) => ack], 1..150)
}

fn key(lane: usize) -> LaneKey {
    session(&format!("lane-{lane}"))
}

struct Stream {
    index: usize,
    filter: Filter,
    /// Sequences it has to get besides those from `from` on.
    again: BTreeSet<u64>,
    from: u64,
    /// What had been handed out when it came: before `from` it gets none of it.
    before: BTreeSet<u64>,
    got: Vec<u64>,
}

struct Bench {
    backlog: Backlog,
    acknowledged: bool,
    lanes: Vec<usize>,
    notifies: Vec<Arc<Notify>>,
    streams: Vec<Stream>,
    /// What broken streams wanted, and the last they had.
    broken: Vec<(Filter, u64)>,
    /// By lane and output.
    history: [[Vec<Happened>; 2]; LANES],
    /// What came out: sequence to id, lane, output and dropped_before.
    known: BTreeMap<u64, (u64, usize, usize, u64)>,
    pushed: usize,
    /// Not told by a datagram yet.
    kernel_drops: u64,
    kernel_dropped: u64,
    acked: BTreeSet<u64>,
}

impl Bench {
    fn new(acknowledged: bool) -> Self {
        let mut backlog = backlog_with(Limits { batch_envelopes: 4, batch_bytes: 2048, ..limits() });
        Self {
            lanes: (0..LANES).map(|lane| backlog.open_lane(key(lane))).collect(),
            notifies: (0..LANES).map(|_| Arc::default()).collect(),
            backlog,
            acknowledged,
            streams: Vec::new(),
            broken: Vec::new(),
            history: Default::default(),
            known: BTreeMap::new(),
            pushed: 0,
            kernel_drops: 0,
            kernel_dropped: 0,
            acked: BTreeSet::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Push(kind, lane, cost) => self.push(kind, lane, cost),
            Step::Kernel => {
                self.kernel_drops += 1;
                self.history[UDP][1].push(Happened::KernelDrop);
            }
            // On an acknowledged subscriber everything is for everybody: then the reference knows what was handed out.
            Step::Attach(_) if self.acknowledged => self.attach(Filter::ALL, None),
            Step::Attach(filter) => self.attach([Filter::ALL, EVENTS, DATA][filter].clone(), None),
            Step::Resume(at) if at < self.broken.len() => {
                let (filter, last) = self.broken.remove(at);
                self.attach(filter, Some(last));
            }
            Step::Detach(at) if at < self.streams.len() => {
                let stream = self.streams.remove(at);
                self.backlog.detach(stream.index, Instant::now());
                self.broken.push((stream.filter, stream.got.last().copied().unwrap_or(stream.from - 1)));
            }
            Step::Message(at) if at < self.streams.len() => {
                self.message(at);
            }
            Step::Resume(_) | Step::Detach(_) | Step::Message(_) => {}
            Step::Budget(lane) => {
                let budget = self.backlog.read_budget(self.lanes[lane], &self.notifies[lane]);
                assert_eq!(budget == 0, self.backlog.is_paused(self.lanes[lane]));
                assert!(budget <= limits().session_backlog_bytes);
            }
            Step::Ack(back) => {
                let sequence = view(&self.backlog).next_sequence.saturating_sub(back + 1);
                self.backlog.ack(&Ack { all: sequence, lanes: Vec::new() });
                self.acked.extend(self.known.range(..=sequence).map(|(sequence, _)| *sequence));
            }
            Step::AckLane(lane, back) => {
                let sequence = view(&self.backlog).next_sequence.saturating_sub(back + 1);
                self.backlog.ack(&Ack { all: 0, lanes: vec![(format!("lane-{lane}"), sequence)] });
                let of_lane = self.known.range(..=sequence).filter(|(_, known)| known.1 == lane);
                self.acked.extend(of_lane.map(|(sequence, _)| *sequence));
            }
        }
        if self.acknowledged {
            let dropped = (view(&self.backlog).dropped - self.kernel_dropped) as usize;
            assert_eq!(view(&self.backlog).backlog_envelopes, self.pushed - dropped - self.acked.len());
        }
    }

    fn push(&mut self, kind: Kind, lane: usize, cost: usize) {
        self.pushed += 1;
        let (id, key, index) = (self.pushed as u64, key(lane), self.lanes[lane]);
        let output = usize::from(matches!(kind, Kind::Data | Kind::Datagram));
        self.history[lane][output].push(Happened::Pushed(id, kind));
        match kind {
            Kind::Data => self.backlog.push_data(index, data(&key, id, cost)),
            Kind::Event => self.backlog.push_event(index, event(&key, id)),
            Kind::Report => self.backlog.push_report(index, event(&key, id)),
            Kind::Datagram => {
                let before = view(&self.backlog).backlog_bytes;
                let dropped_before = std::mem::take(&mut self.kernel_drops);
                self.kernel_dropped += dropped_before;
                self.backlog.push_datagram(index, Envelope { dropped_before, ..datagram(&key, id, cost) });
                let bound = before.max(limits().subscriber_backlog_bytes);
                assert!(view(&self.backlog).backlog_bytes <= bound, "a datagram stays within the bounds");
            }
        }
    }

    fn attach(&mut self, filter: Filter, resumed: Option<u64>) {
        let point = resumed.map(after);
        let next = view(&self.backlog).next_sequence;
        let Ok((index, gap, _)) = self.backlog.attach(EPOCH, filter.clone(), point.as_ref(), self.acknowledged) else {
            assert_eq!(self.streams.len(), limits().streams_per_subscriber);
            return;
        };
        if self.acknowledged {
            // What the caller has is acked by saying so.
            self.acked.extend(self.known.range(..=resumed.unwrap_or(0)).map(|(sequence, _)| *sequence));
        }
        let lost = gap.map_or(0, |gap| gap.last);
        assert!(!self.acknowledged || gap.is_none(), "an acknowledged stream has no gap");
        let unacked = |sequence: &u64| *sequence > resumed.unwrap_or(0) && !self.acked.contains(sequence);
        let (again, from) = match resumed {
            _ if self.acknowledged => (self.known.keys().copied().filter(unacked).collect(), next),
            Some(after) => (BTreeSet::new(), after.max(lost) + 1),
            None => (BTreeSet::new(), next),
        };
        self.streams.push(Stream {
            index,
            filter,
            again,
            from,
            before: self.known.keys().copied().collect(),
            got: Vec::new(),
        });
    }

    /// One message of a stream; false where there is none.
    fn message(&mut self, at: usize) -> bool {
        let stream = &mut self.streams[at];
        let Some(message) = message(&mut self.backlog, stream.index).expect("the stream goes on") else { return false };
        assert!(message.len() <= 4);
        for (sequence, envelope) in message {
            assert!(stream.got.last().is_none_or(|last| *last < sequence), "sequences grow");
            assert!(stream.filter.takes(&envelope));
            stream.got.push(sequence);
            let session = envelope.session.as_ref().expect("all are of sessions");
            let lane = (0..LANES).find(|lane| key(*lane) == LaneKey::Session(session.clone())).expect("ours");
            let output = usize::from(envelope.output() == crate::envelope::Output::Data);
            let known = (id(&envelope), lane, output, envelope.dropped_before);
            let first = *self.known.entry(sequence).or_insert(known);
            assert_eq!(first, known, "a sequence is the same envelope to everybody");
        }
        true
    }

    fn finish(mut self) {
        // Make room for one that takes what is left.
        if self.streams.len() == limits().streams_per_subscriber {
            self.step(Step::Detach(0));
        }
        self.attach(Filter::ALL, None);
        for at in 0..self.streams.len() {
            while self.message(at) {}
        }
        for stream in &self.streams {
            let from_then_on = self.known.range(stream.from..).map(|(sequence, _)| *sequence);
            let due: BTreeSet<u64> = stream.again.iter().copied().chain(from_then_on).collect();
            let takes = |sequence: &u64| {
                let (_, _, output, _) = self.known[sequence];
                if output == 1 { stream.filter.data } else { stream.filter.events }
            };
            let due: Vec<u64> = due.into_iter().filter(takes).collect();
            let got = stream.got.iter().copied();
            let (again, got): (Vec<u64>, Vec<u64>) =
                got.partition(|sequence| *sequence < stream.from && !self.acknowledged);
            assert_eq!(got, due, "each stream gets all that is for it");
            assert!(again.iter().all(|sequence| !stream.before.contains(sequence)), "and before that only what waited");
        }
        self.check_history();
        for stream in std::mem::take(&mut self.streams) {
            self.backlog.detach(stream.index, Instant::now());
        }
        self.backlog.ack(&Ack { all: u64::MAX, lanes: Vec::new() });
        for lane in std::mem::take(&mut self.lanes) {
            self.backlog.close_lane(lane);
        }
        assert_eq!(self.backlog.counters(), [0; 6]);
    }

    /// Everything came out once and in order, or was dropped, and the next one said so.
    fn check_history(&self) {
        let delivered: BTreeMap<u64, (u64, u64)> =
            self.known.iter().map(|(sequence, (id, _, _, dropped))| (*id, (*sequence, *dropped))).collect();
        assert_eq!(delivered.len(), self.known.len(), "nothing has two sequences");
        let mut dropped_in_all = 0;
        for happened in self.history.iter().flatten() {
            let (mut last, mut missing) = (0, 0);
            for one in happened {
                match one {
                    Happened::KernelDrop => missing += 1,
                    Happened::Pushed(id, kind) => match delivered.get(id) {
                        Some((sequence, dropped_before)) => {
                            assert!(*sequence > last, "a lane's output keeps its order");
                            last = *sequence;
                            assert_eq!(*dropped_before, missing, "dropped before {id}");
                            dropped_in_all += std::mem::take(&mut missing);
                        }
                        None => {
                            assert!(matches!(kind, Kind::Report | Kind::Datagram), "{kind:?} {id} was lost");
                            missing += 1;
                        }
                    },
                }
            }
            dropped_in_all += missing;
        }
        assert_eq!(dropped_in_all - self.kernel_drops, view(&self.backlog).dropped);
    }
}

fn run(acknowledged: bool, steps: Vec<Step>) {
    let mut bench = Bench::new(acknowledged);
    for step in steps {
        bench.step(step);
    }
    bench.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_is_delivered_once_and_in_order_or_counted_as_dropped(steps in steps(false)) {
        run(false, steps);
    }

    #[test]
    fn everything_is_kept_until_it_is_acked_and_comes_again_until_then(steps in steps(true)) {
        run(true, steps);
    }
}
