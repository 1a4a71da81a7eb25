//! What is dropped, what never is, and how exactly it is told.

use super::*;

/// The dropped_before of all a stream can have now, by id.
fn told(backlog: &mut Backlog, stream: usize) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    while let Some(message) = message(backlog, stream).expect("goes on") {
        all.extend(message.iter().map(|(_, envelope)| (id(envelope), envelope.dropped_before)));
    }
    all
}

#[test]
fn the_oldest_datagrams_go_first_and_the_next_delivered_one_says_how_many() {
    let mut backlog = backlog();
    let key = session("udp");
    let lane = backlog.open_lane(key.clone());
    let dropped: u64 = (0..10).map(|n| backlog.push_datagram(lane, datagram(&key, n, 1024))).sum();
    assert_eq!(dropped, 6);
    let stream = attach(&mut backlog, Filter::ALL);
    assert_eq!(told(&mut backlog, stream), [(6, 6), (7, 0), (8, 0), (9, 0)]);
    assert_eq!(view(&backlog).dropped, 6);
}

#[test]
fn drops_of_the_kernel_and_of_the_backlog_add_up() {
    let mut backlog = backlog();
    let key = session("udp");
    let lane = backlog.open_lane(key.clone());
    let after = |dropped_before, n| Envelope { dropped_before, ..datagram(&key, n, 1024) };
    backlog.push_datagram(lane, after(5, 0));
    for n in 1..6 {
        backlog.push_datagram(lane, after(0, n));
    }
    let stream = attach(&mut backlog, Filter::ALL);
    assert_eq!(told(&mut backlog, stream), [(2, 7), (3, 0), (4, 0), (5, 0)]);
    backlog.push_datagram(lane, after(3, 6));
    assert_eq!(told(&mut backlog, stream), [(6, 3)]);
    assert_eq!(view(&backlog).dropped, 10);
}

#[test]
fn a_datagram_goes_itself_where_other_sessions_fill_the_subscriber() {
    let mut backlog = backlog();
    for n in 0..4 {
        let key = session(&format!("tcp-{n}"));
        let lane = backlog.open_lane(key.clone());
        for m in 0..4 {
            backlog.push_data(lane, kilo(&key, n * 10 + m));
        }
    }
    let key = session("udp");
    let lane = backlog.open_lane(key.clone());
    assert_eq!(backlog.push_datagram(lane, datagram(&key, 100, 300)), 1);
    assert_eq!(backlog.push_datagram(lane, datagram(&key, 101, 300)), 1);
    let stream = attach(&mut backlog, Filter::ALL);
    assert_eq!(ids(&mut backlog, stream).len(), 16, "no TCP data made room");
    backlog.push_datagram(lane, datagram(&key, 102, 300));
    assert_eq!(told(&mut backlog, stream), [(102, 2)]);
}

#[test]
fn what_the_kernel_dropped_before_a_datagram_that_goes_itself_is_told_by_the_next() {
    let mut backlog = backlog();
    let (tcp, key) = (session("tcp"), session("udp"));
    let (full, lane) = (backlog.open_lane(tcp.clone()), backlog.open_lane(key.clone()));
    for n in 0..16 {
        backlog.push_data(full, kilo(&tcp, n));
    }
    let after = |dropped_before, n| Envelope { dropped_before, ..datagram(&key, n, 300) };
    assert_eq!(backlog.push_datagram(lane, after(5, 100)), 1);
    let stream = attach(&mut backlog, Filter::ALL);
    assert_eq!(ids(&mut backlog, stream).len(), 16);
    backlog.push_datagram(lane, after(0, 101));
    assert_eq!(told(&mut backlog, stream), [(101, 6)]);
    assert_eq!(view(&backlog).dropped, 6);
}

#[test]
fn an_empty_datagram_is_not_free() {
    let mut backlog = backlog();
    let key = session("udp");
    let lane = backlog.open_lane(key.clone());
    let dropped: u64 =
        (0..1000).map(|n| backlog.push_datagram(lane, datagram(&key, n, ENVELOPE_OVERHEAD_BYTES + 8))).sum();
    assert_eq!(dropped, 1000 - 4096 / (ENVELOPE_OVERHEAD_BYTES as u64 + 8));
    assert!(view(&backlog).backlog_bytes <= 4096);
}

#[test]
fn reports_beyond_their_limit_are_dropped_and_counted_and_events_never() {
    let mut backlog = backlog();
    let key = session("s");
    let lane = backlog.open_lane(key.clone());
    for n in 0..10 {
        backlog.push_report(lane, event(&key, n));
    }
    for n in 10..30 {
        backlog.push_event(lane, event(&key, n));
    }
    assert!(backlog.events_full());
    assert_eq!(view(&backlog).dropped, 6);
    let stream = attach(&mut backlog, Filter::ALL);
    let all = told(&mut backlog, stream);
    assert_eq!(all[..5], [(0, 0), (1, 0), (2, 0), (3, 0), (10, 6)]);
    assert_eq!(all.len(), 24);
    assert!(!backlog.events_full());
}

#[test]
fn reports_that_concern_no_session_are_told_missing_after_the_backlog_ran_empty() {
    let mut backlog = backlog();
    let report = |backlog: &mut Backlog, n| {
        let lane = backlog.open_lane(LaneKey::Control);
        backlog.push_report(lane, event(&LaneKey::Control, n));
        backlog.close_lane(lane);
    };
    for n in 0..7 {
        report(&mut backlog, n);
    }
    let stream = attach(&mut backlog, Filter::ALL);
    assert_eq!(ids(&mut backlog, stream), [0, 1, 2, 3]);
    report(&mut backlog, 7);
    assert_eq!(told(&mut backlog, stream), [(7, 3)]);
    assert_eq!(backlog.counters(), [0; 6]);
}
