//! Plain streams that broke and come back.

use super::*;

/// A backlog whose sessions' four envelopes were taken by a stream that has gone.
fn broken() -> (Backlog, usize, LaneKey) {
    let mut backlog = backlog();
    let key = session("s");
    let lane = backlog.open_lane(key.clone());
    let stream = attach(&mut backlog, Filter::ALL);
    for n in 1..=4 {
        backlog.push_data(lane, kilo(&key, n));
    }
    assert_eq!(take_all(&mut backlog, stream).len(), 4);
    backlog.detach(stream, Instant::now());
    (backlog, lane, key)
}

fn resume(backlog: &mut Backlog, sequence: u64) -> (usize, Option<Gap>, u64) {
    backlog.attach(EPOCH, Filter::ALL, Some(&after(sequence)), false).expect("resumes")
}

#[test]
fn a_stream_resumed_within_what_is_kept_misses_nothing_and_gets_nothing_twice() {
    let (mut backlog, lane, key) = broken();
    backlog.push_data(lane, kilo(&key, 5));
    let (stream, gap, next) = resume(&mut backlog, 2);
    assert_eq!((gap, next), (None, 3));
    assert_eq!(take_all(&mut backlog, stream), [(3, 3), (4, 4), (5, 5)]);
}

#[test]
fn a_stream_resumed_further_back_is_told_exactly_what_is_missing() {
    let (mut backlog, lane, key) = broken();
    let stream = attach(&mut backlog, Filter::ALL);
    for n in 5..=10 {
        backlog.push_data(lane, kilo(&key, n));
    }
    assert_eq!(take_all(&mut backlog, stream).len(), 6);
    backlog.detach(stream, Instant::now());
    // Four kilobytes are kept: 7 to 10.
    let (stream, gap, next) = resume(&mut backlog, 2);
    assert_eq!(gap, Some(Gap { first: 3, last: 6 }));
    assert_eq!(next, 7);
    assert_eq!(take_all(&mut backlog, stream), [(7, 7), (8, 8), (9, 9), (10, 10)]);
    let (_, gap, _) = resume(&mut backlog, 6);
    assert_eq!(gap, None);
}

#[test]
fn a_resume_after_the_last_or_before_the_first_sequence_is_allowed_and_one_ahead_is_not() {
    let (mut backlog, ..) = broken();
    let (stream, gap, _) = resume(&mut backlog, 4);
    assert_eq!((gap, take_all(&mut backlog, stream)), (None, vec![]));
    let (stream, gap, _) = resume(&mut backlog, 0);
    assert_eq!((gap, take_all(&mut backlog, stream).len()), (None, 4));
    let ahead = backlog.attach(EPOCH, Filter::ALL, Some(&after(5)), false).expect_err("refused");
    assert_eq!(ahead.reason(), Reason::RequestInvalid);
    assert_eq!(ahead.violations()[0].field, "resume.after_sequence");
}

#[test]
fn a_resume_of_another_epoch_is_refused() {
    let (mut backlog, ..) = broken();
    let other = ResumePoint { epoch: "another".into(), after_sequence: 2 };
    let refused = backlog.attach(EPOCH, Filter::ALL, Some(&other), false).expect_err("refused");
    assert_eq!(refused.reason(), Reason::EpochChanged);
}

#[test]
fn what_a_resumed_stream_still_has_to_read_is_not_trimmed_under_it() {
    let (mut backlog, lane, key) = broken();
    let (slow, ..) = resume(&mut backlog, 0);
    let quick = attach(&mut backlog, Filter::ALL);
    for n in 5..=12 {
        backlog.push_data(lane, kilo(&key, n));
    }
    assert_eq!(ids(&mut backlog, quick), [5, 6, 7, 8, 9, 10, 11, 12]);
    assert_eq!(ids(&mut backlog, slow), (1..=12).collect::<Vec<_>>());
    assert_eq!(view(&backlog).backlog_bytes, 0);
}

#[test]
fn what_is_kept_for_resuming_holds_no_credit() {
    let (mut backlog, lane, _) = broken();
    assert_eq!(view(&backlog).backlog_bytes, 0);
    assert_eq!(backlog.read_budget(lane, &Arc::new(Notify::new())), 4096);
}
