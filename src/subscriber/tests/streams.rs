//! Several streams, filters, and streams that stall.

use std::collections::HashSet;

use super::*;

#[test]
fn events_and_data_of_a_session_leave_in_the_order_they_came() {
    let mut backlog = backlog();
    let key = session("s");
    let lane = backlog.open_lane(key.clone());
    backlog.push_event(lane, event(&key, 0));
    backlog.push_data(lane, kilo(&key, 1));
    backlog.push_data(lane, kilo(&key, 2));
    backlog.push_event(lane, event(&key, 3));
    backlog.push_data(lane, kilo(&key, 4));
    backlog.push_event(lane, event(&key, 5));
    let stream = attach(&mut backlog, Filter::ALL);
    assert_eq!(take_all(&mut backlog, stream), [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 5)]);
}

#[test]
fn a_stream_of_one_output_neither_waits_for_the_other_nor_loses_it() {
    let mut backlog = backlog();
    let key = session("s");
    let lane = backlog.open_lane(key.clone());
    backlog.push_data(lane, kilo(&key, 0));
    backlog.push_event(lane, event(&key, 1));
    backlog.push_data(lane, kilo(&key, 2));
    let events = attach(&mut backlog, EVENTS);
    assert_eq!(ids(&mut backlog, events), [1]);
    assert_eq!(view(&backlog).backlog_envelopes, 2);
    let data = attach(&mut backlog, DATA);
    assert_eq!(ids(&mut backlog, data), [0, 2]);
    assert_eq!(view(&backlog).backlog_envelopes, 0);
}

#[test]
fn a_sleeping_stream_of_one_output_does_not_hold_the_credit_of_the_other() {
    let mut backlog = backlog();
    let (key, notify) = (session("s"), Arc::new(Notify::new()));
    let lane = backlog.open_lane(key.clone());
    let events = attach(&mut backlog, EVENTS);
    assert!(ids(&mut backlog, events).is_empty());
    for n in 0..4 {
        backlog.push_data(lane, kilo(&key, n));
    }
    assert_eq!(backlog.read_budget(lane, &notify), 0);
    let data = attach(&mut backlog, DATA);
    // Nothing happens that would wake the events stream.
    assert_eq!(ids(&mut backlog, data), [0, 1, 2, 3]);
    assert!(is_signalled(&notify), "the session may read on");
    assert_eq!(view(&backlog).backlog_bytes, 0);
}

#[test]
fn what_no_stream_takes_stays_for_one_that_does() {
    let mut backlog = backlog();
    let (one, other) = (session("one"), session("other"));
    let (lane, other_lane) = (backlog.open_lane(one.clone()), backlog.open_lane(other.clone()));
    backlog.push_data(lane, kilo(&one, 0));
    backlog.push_data(other_lane, kilo(&other, 1));
    let only: HashSet<String> = ["other".to_owned()].into();
    let stream = attach(&mut backlog, Filter { ids: Some(Arc::new(only)), ..Filter::ALL });
    assert_eq!(ids(&mut backlog, stream), [1]);
    backlog.detach(stream, Instant::now());
    let all = attach(&mut backlog, Filter::ALL);
    assert_eq!(ids(&mut backlog, all), [0]);
}

#[test]
fn every_stream_gets_everything_at_its_own_pace_and_the_slowest_holds_the_credit() {
    let mut backlog = backlog();
    let (key, notify) = (session("s"), Arc::new(Notify::new()));
    let lane = backlog.open_lane(key.clone());
    let (quick, slow) = (attach(&mut backlog, Filter::ALL), attach(&mut backlog, Filter::ALL));
    for n in 0..4 {
        backlog.push_data(lane, kilo(&key, n));
    }
    assert_eq!(backlog.read_budget(lane, &notify), 0);
    assert_eq!(ids(&mut backlog, quick), [0, 1, 2, 3]);
    assert_eq!(view(&backlog).backlog_bytes, 4096);
    assert!(!is_signalled(&notify));
    assert_eq!(ids(&mut backlog, slow), [0, 1, 2, 3]);
    assert_eq!(view(&backlog).backlog_bytes, 0);
    assert!(is_signalled(&notify));
    backlog.push_data(lane, kilo(&key, 4));
    assert_eq!(ids(&mut backlog, quick), [4]);
    backlog.detach(slow, Instant::now());
    assert_eq!(view(&backlog).backlog_bytes, 0, "a stream that left holds nothing");
}

#[test]
fn a_subscriber_has_only_so_many_streams() {
    let mut backlog = backlog();
    let streams: Vec<usize> = (0..4).map(|_| attach(&mut backlog, Filter::ALL)).collect();
    let refused = backlog.attach(EPOCH, Filter::ALL, None, false).expect_err("a fifth is refused");
    assert_eq!(refused.reason(), Reason::LimitReached);
    backlog.detach(streams[0], Instant::now());
    attach(&mut backlog, Filter::ALL);
}

#[test]
fn a_stream_that_takes_nothing_while_the_backlog_is_full_is_ended_and_the_backlog_stays() {
    let mut backlog = backlog();
    let (key, notify) = (session("s"), Arc::new(Notify::new()));
    let lane = backlog.open_lane(key.clone());
    let stream = attach(&mut backlog, Filter::ALL);
    for n in 0..4 {
        backlog.push_data(lane, kilo(&key, n));
    }
    assert_eq!(backlog.read_budget(lane, &notify), 0);
    let start = Instant::now();
    assert_eq!(backlog.end_stalled(start).0, 0);
    assert_eq!(backlog.end_stalled(start + Duration::from_secs(9)).0, 0);
    assert_eq!(backlog.end_stalled(start + Duration::from_secs(10)).0, 1);
    assert_eq!(message(&mut backlog, stream).expect_err("it has ended").reason(), Reason::StreamStalled);
    backlog.detach(stream, Instant::now());
    let next = attach(&mut backlog, Filter::ALL);
    assert_eq!(ids(&mut backlog, next), [0, 1, 2, 3]);
}

#[test]
fn a_stream_that_was_idle_for_long_is_not_ended_when_the_backlog_fills_in_a_moment() {
    let mut backlog = backlog();
    let (key, notify) = (session("s"), Arc::new(Notify::new()));
    let lane = backlog.open_lane(key.clone());
    let stream = attach(&mut backlog, Filter::ALL);
    assert!(ids(&mut backlog, stream).is_empty());
    let much_later = Instant::now() + Duration::from_secs(3600);
    for n in 0..4 {
        backlog.push_data(lane, kilo(&key, n));
    }
    assert_eq!(backlog.read_budget(lane, &notify), 0);
    assert_eq!(backlog.end_stalled(much_later).0, 0);
    assert_eq!(ids(&mut backlog, stream), [0, 1, 2, 3]);
}

#[test]
fn a_stream_that_takes_a_little_now_and_then_is_not_ended() {
    let mut backlog = backlog_with(Limits { batch_envelopes: 1, ..limits() });
    let (key, notify) = (session("s"), Arc::new(Notify::new()));
    let lane = backlog.open_lane(key.clone());
    let stream = attach(&mut backlog, Filter::ALL);
    let start = Instant::now();
    for n in 0..20 {
        while backlog.read_budget(lane, &notify) > 0 {
            backlog.push_data(lane, kilo(&key, n));
        }
        assert_eq!(backlog.end_stalled(start + Duration::from_secs(8 * n)).0, 0);
        message(&mut backlog, stream).expect("it goes on").expect("an envelope");
    }
}

#[test]
fn ended_streams_take_what_is_in_the_backlog_first_where_told_so() {
    let mut backlog = backlog();
    let key = session("s");
    let lane = backlog.open_lane(key.clone());
    let stream = attach(&mut backlog, Filter::ALL);
    backlog.push_event(lane, event(&key, 0));
    backlog.end_streams(&Error::shutting_down(), true).wake();
    let first = message(&mut backlog, stream).expect("the backlog first").expect("an envelope");
    assert_eq!(id(&first[0].1), 0);
    assert_eq!(message(&mut backlog, stream).expect_err("then the end").reason(), Reason::ShuttingDown);
}
