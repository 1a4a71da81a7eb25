//! Acknowledged delivery: what is not acked is kept, holds its credit, and comes again.

use super::*;

fn attach_acknowledged(backlog: &mut Backlog, sequence: Option<u64>) -> (usize, Option<Gap>, u64) {
    let resume = sequence.map(after);
    backlog.attach(EPOCH, Filter::ALL, resume.as_ref(), true).expect("attaches")
}

fn ack_all(sequence: u64) -> Ack {
    Ack { all: sequence, lanes: Vec::new() }
}

fn ack_of(id: &str, sequence: u64) -> Ack {
    Ack { all: 0, lanes: vec![(id.into(), sequence)] }
}

#[test]
fn credit_is_held_until_the_ack() {
    let mut backlog = backlog();
    let (key, notify) = (session("s"), Arc::new(Notify::new()));
    let lane = backlog.open_lane(key.clone());
    let (stream, ..) = attach_acknowledged(&mut backlog, None);
    for n in 1..=4 {
        backlog.push_data(lane, kilo(&key, n));
    }
    assert_eq!(ids(&mut backlog, stream), [1, 2, 3, 4]);
    assert_eq!(backlog.read_budget(lane, &notify), 0);
    backlog.ack(&ack_all(1));
    assert_eq!(backlog.read_budget(lane, &notify), 0, "a paused session goes on at half");
    assert_eq!(view(&backlog).backlog_bytes, 3072);
    backlog.ack(&ack_all(2));
    assert!(is_signalled(&notify));
    assert_eq!(backlog.read_budget(lane, &notify), 2048);
    backlog.ack(&ack_all(100));
    assert_eq!(view(&backlog).backlog_envelopes, 0);
}

#[test]
fn the_ack_of_one_session_is_not_anothers() {
    let mut backlog = backlog();
    let (one, other) = (session("one"), session("other"));
    let (lane, other_lane) = (backlog.open_lane(one.clone()), backlog.open_lane(other.clone()));
    let (stream, ..) = attach_acknowledged(&mut backlog, None);
    for n in 0..3 {
        backlog.push_data(lane, kilo(&one, 10 + n));
        backlog.push_data(other_lane, kilo(&other, 20 + n));
        ids(&mut backlog, stream);
    }
    // Sequences: 1 one, 2 other, 3 one, 4 other, 5 one, 6 other.
    backlog.ack(&ack_of("one", 6));
    assert_eq!(view(&backlog).backlog_bytes, 3 * 1024);
    backlog.detach(stream, Instant::now());
    let (again, gap, next) = attach_acknowledged(&mut backlog, Some(0));
    assert_eq!((gap, next), (None, 2));
    assert_eq!(take_all(&mut backlog, again), [(2, 20), (4, 21), (6, 22)]);
    backlog.ack(&ack_of("other", 4));
    assert_eq!(view(&backlog).backlog_bytes, 1024);
}

#[test]
fn the_empty_id_acks_what_names_no_session() {
    let mut backlog = backlog();
    let lane = backlog.open_lane(LaneKey::Control);
    let (stream, ..) = attach_acknowledged(&mut backlog, None);
    backlog.push_event(lane, event(&LaneKey::Control, 1));
    ids(&mut backlog, stream);
    backlog.ack(&ack_of("", 1));
    assert_eq!(view(&backlog).backlog_envelopes, 0);
}

#[test]
fn a_resume_brings_exactly_the_unacked_after_its_point_in_order_and_then_what_is_new() {
    let mut backlog = backlog();
    let keys = [session("a"), session("b"), session("c")];
    let lanes: Vec<usize> = keys.iter().map(|key| backlog.open_lane(key.clone())).collect();
    let (stream, ..) = attach_acknowledged(&mut backlog, None);
    for n in 0..9 {
        backlog.push_data(lanes[n % 3], kilo(&keys[n % 3], n as u64));
        ids(&mut backlog, stream);
    }
    backlog.ack(&ack_all(2));
    backlog.ack(&ack_of("b", 5));
    backlog.detach(stream, Instant::now());
    backlog.push_data(lanes[0], kilo(&keys[0], 9));
    let (again, gap, next) = attach_acknowledged(&mut backlog, Some(3));
    assert_eq!((gap, next), (None, 4));
    let sequences: Vec<u64> = take_all(&mut backlog, again).into_iter().map(|(sequence, _)| sequence).collect();
    assert_eq!(sequences, [4, 6, 7, 8, 9, 10]);
    assert_eq!(view(&backlog).backlog_envelopes, 6, "what the caller has waits for no ack any more");
}

#[test]
fn a_resume_after_what_the_caller_has_gives_the_credit_back_whose_acks_were_lost() {
    let mut backlog = backlog();
    let (key, notify) = (session("s"), Arc::new(Notify::new()));
    let lane = backlog.open_lane(key.clone());
    let (stream, ..) = attach_acknowledged(&mut backlog, None);
    for n in 1..=4 {
        backlog.push_data(lane, kilo(&key, n));
    }
    assert_eq!(ids(&mut backlog, stream), [1, 2, 3, 4]);
    assert_eq!(backlog.read_budget(lane, &notify), 0);
    backlog.detach(stream, Instant::now());
    attach_acknowledged(&mut backlog, Some(4));
    assert!(is_signalled(&notify), "or nobody would ever read the session again");
    assert_eq!(view(&backlog).backlog_envelopes, 0);
}

#[test]
fn an_ack_of_what_was_not_handed_out_acks_nothing_to_come() {
    let mut backlog = backlog();
    let key = session("s");
    let lane = backlog.open_lane(key.clone());
    backlog.push_data(lane, kilo(&key, 1));
    let (stream, ..) = attach_acknowledged(&mut backlog, None);
    backlog.ack(&ack_all(u64::MAX));
    assert_eq!(ids(&mut backlog, stream), [1]);
    assert_eq!(view(&backlog).backlog_envelopes, 1);
}

#[test]
fn a_plain_stream_on_an_acknowledged_subscriber_only_watches() {
    let mut backlog = backlog();
    let key = session("s");
    let lane = backlog.open_lane(key.clone());
    let (acknowledging, ..) = attach_acknowledged(&mut backlog, None);
    let watching = attach(&mut backlog, Filter::ALL);
    backlog.push_data(lane, kilo(&key, 1));
    assert_eq!(ids(&mut backlog, watching), [1]);
    assert_eq!(ids(&mut backlog, acknowledging), [1]);
    assert_eq!(view(&backlog).backlog_envelopes, 1);
    backlog.ack(&ack_all(1));
    backlog.close_lane(lane);
    assert_eq!(backlog.counters(), [0; 6]);
}
