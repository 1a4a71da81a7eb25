//! How much may be read, by whom, and that nobody waits behind a flood.

use super::*;

#[test]
fn a_flooding_lane_does_not_delay_another_beyond_its_turn() {
    let mut backlog = backlog();
    let (flood, prompt) = (session("flood"), session("prompt"));
    let (flooding, prompting) = (backlog.open_lane(flood.clone()), backlog.open_lane(prompt.clone()));
    for n in 0..100 {
        backlog.push_data(flooding, kilo(&flood, n));
    }
    backlog.push_data(prompting, kilo(&prompt, 1000));
    let stream = attach(&mut backlog, Filter::ALL);
    let order = ids(&mut backlog, stream);
    let place = order.iter().position(|id| *id == 1000).expect("delivered");
    assert!(place <= 16, "a turn is 16 KiB, and {place} KiB came before the prompt");
    assert_eq!(order.len(), 101);
}

#[test]
fn lanes_that_all_flood_are_served_in_equal_parts() {
    let mut backlog = backlog();
    let keys: Vec<LaneKey> = (0..4).map(|n| session(&format!("flood-{n}"))).collect();
    for (n, key) in keys.iter().enumerate() {
        let lane = backlog.open_lane(key.clone());
        for m in 0..64 {
            backlog.push_data(lane, kilo(key, n as u64 * 1000 + m));
        }
    }
    let stream = attach(&mut backlog, Filter::ALL);
    let order = ids(&mut backlog, stream);
    for lane in 0..4 {
        let half = order[..128].iter().filter(|id| **id / 1000 == lane).count();
        assert_eq!(half, 32, "lane {lane} had {half} of the first 128");
    }
}

#[test]
fn a_session_may_read_its_share_pauses_when_it_is_used_up_and_goes_on_at_half() {
    let mut backlog = backlog();
    let (key, notify) = (session("s"), Arc::new(Notify::new()));
    let lane = backlog.open_lane(key.clone());
    assert_eq!(backlog.read_budget(lane, &notify), 4096);
    for n in 0..4 {
        assert_eq!(backlog.read_budget(lane, &notify), 4096 - n * 1024);
        backlog.push_data(lane, kilo(&key, n as u64));
    }
    assert_eq!(backlog.read_budget(lane, &notify), 0);
    assert!(backlog.is_paused(lane));
    assert_eq!(view(&backlog).paused_sessions, 1);
    assert!(!is_signalled(&notify));

    let mut small = limits();
    small.batch_envelopes = 1;
    let mut slow = backlog_with(small);
    let lane = slow.open_lane(key.clone());
    for n in 0..4 {
        slow.push_data(lane, kilo(&key, n));
    }
    assert_eq!(slow.read_budget(lane, &notify), 0);
    let stream = attach(&mut slow, Filter::ALL);
    message(&mut slow, stream).expect("goes on").expect("an envelope");
    assert!(!is_signalled(&notify), "three quarters are still there");
    assert_eq!(slow.read_budget(lane, &notify), 0, "it does not trickle");
    message(&mut slow, stream).expect("goes on").expect("an envelope");
    assert!(is_signalled(&notify));
    assert_eq!(slow.read_budget(lane, &notify), 2048);
    assert!(!slow.is_paused(lane));
    assert_eq!(view(&slow).paused_sessions, 0);
}

#[test]
fn a_full_subscriber_lets_a_session_with_nothing_waiting_read_a_little_and_no_other() {
    let mut backlog = backlog();
    let notify = Arc::new(Notify::new());
    let floods: Vec<LaneKey> = (0..4).map(|n| session(&format!("flood-{n}"))).collect();
    let lanes: Vec<usize> = floods.iter().map(|key| backlog.open_lane(key.clone())).collect();
    for (key, lane) in floods.iter().zip(&lanes) {
        for n in 0..4 {
            backlog.push_data(*lane, kilo(key, n));
        }
    }
    let prompt = session("prompt");
    let lane = backlog.open_lane(prompt.clone());
    assert_eq!(backlog.read_budget(lane, &notify), 512);
    backlog.push_data(lane, data(&prompt, 0, 300));
    assert_eq!(backlog.read_budget(lane, &notify), 0);
    for lane in lanes {
        assert_eq!(backlog.read_budget(lane, &notify), 0);
    }
    assert_eq!(view(&backlog).paused_sessions, 5);
}

#[test]
fn when_a_full_subscriber_is_half_empty_every_paused_session_is_told() {
    let mut backlog = backlog_with(Limits { batch_envelopes: 1, ..limits() });
    let (mut notifies, mut lanes) = (Vec::new(), Vec::new());
    for n in 0..4 {
        let key = session(&format!("flood-{n}"));
        let lane = backlog.open_lane(key.clone());
        for m in 0..4 {
            backlog.push_data(lane, kilo(&key, m));
        }
        notifies.push(Arc::new(Notify::new()));
        lanes.push(lane);
    }
    for (lane, notify) in lanes.iter().zip(&notifies) {
        assert_eq!(backlog.read_budget(*lane, notify), 0);
    }
    let stream = attach(&mut backlog, Filter::ALL);
    for _ in 0..8 {
        message(&mut backlog, stream).expect("goes on").expect("an envelope");
    }
    assert!(notifies.iter().all(|notify| is_signalled(notify)));
}

#[test]
fn a_session_whose_claim_has_moved_is_not_paused_for_the_holder_before() {
    let mut backlog = backlog();
    let (key, notify) = (session("s"), Arc::new(Notify::new()));
    let (lifecycle, claim) = (backlog.open_lane(key.clone()), backlog.open_lane(key.clone()));
    for n in 0..4 {
        backlog.push_data(claim, kilo(&key, n));
    }
    assert_eq!(backlog.read_budget(claim, &notify), 0);
    backlog.stop_waiting(claim);
    backlog.close_lane(claim);
    assert_eq!(view(&backlog).paused_sessions, 0);
    assert!(!backlog.is_paused(lifecycle));
}

#[test]
fn a_lane_and_its_counters_are_gone_when_its_session_is_and_all_is_delivered() {
    let mut backlog = backlog();
    let (key, notify) = (session("s"), Arc::new(Notify::new()));
    let lane = backlog.open_lane(key.clone());
    backlog.push_event(lane, event(&key, 0));
    for n in 1..5 {
        backlog.push_data(lane, kilo(&key, n));
    }
    assert_eq!(backlog.read_budget(lane, &notify), 0);
    backlog.close_lane(lane);
    let [lanes, bytes, envelopes, events, reports, paused] = backlog.counters();
    assert_eq!((lanes, bytes, envelopes, events, reports, paused), (1, 4096, 5, 1, 0, 0));
    let stream = attach(&mut backlog, Filter::ALL);
    assert_eq!(ids(&mut backlog, stream), [0, 1, 2, 3, 4]);
    assert_eq!(backlog.counters(), [0; 6]);
}

#[test]
fn an_id_that_is_used_again_continues_its_lane_and_its_order() {
    let mut backlog = backlog();
    let key = session("s");
    let lane = backlog.open_lane(key.clone());
    backlog.push_event(lane, event(&key, 0));
    backlog.close_lane(lane);
    let again = backlog.open_lane(key.clone());
    backlog.push_event(again, event(&key, 1));
    assert_eq!(backlog.counters()[0], 1);
    let stream = attach(&mut backlog, Filter::ALL);
    assert_eq!(ids(&mut backlog, stream), [0, 1]);
}
