//! The table: every setting that bounds something, and where it is reached.

use std::{collections::BTreeMap, fs, pin::Pin};

use socket_gateway::config::SETTINGS;

use super::{Rig, counts, sizes, times};

type Reaching<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

enum Reached {
    /// Here, over gRPC.
    Here(for<'a> fn(&'a Rig) -> Reaching<'a>),
    /// By this test in that file.
    There(&'static str, &'static str),
}

use Reached::{Here, There};

macro_rules! here {
    ($($path:ident)::+) => { Here(|rig| Box::pin($($path)::+(rig))) };
}

const FLOODS: &str = "tests/operations/floods.rs";
const QUOTAS: &str = "tests/operations/quotas.rs";

const TABLE: &[(&str, Reached)] = &[
    ("limits.sessions", here!(counts::sessions)),
    ("limits.listeners", here!(counts::listeners)),
    ("limits.pending_connects", here!(counts::pending_connects)),
    (
        "limits.name_lookups",
        There("tests/operations/lookups.rs", "lookups_beyond_the_limit_wait_and_addresses_do_not_wait_with_them"),
    ),
    ("limits.subscribers", here!(counts::subscribers)),
    ("limits.streams_per_subscriber", here!(counts::streams_per_subscriber)),
    ("limits.streams", here!(counts::streams)),
    ("limits.watchers", here!(counts::watchers)),
    ("limits.taps", here!(counts::taps)),
    ("limits.listen_backlog", here!(counts::listen_backlog)),
    (
        "limits.subscriber_backlog_bytes",
        There("tests/it/delivery.rs", "a_flood_holds_up_neither_another_subscriber_nor_another_session_of_the_same"),
    ),
    ("limits.backlog_bytes", There("tests/it/quotas.rs", "all_backlogs_together_are_bounded_for_everybody")),
    (
        "limits.session_backlog_bytes",
        There("tests/it/delivery.rs", "a_flood_of_datagrams_loses_the_oldest_and_counts_them_exactly"),
    ),
    ("limits.full_backlog_read_bytes", here!(sizes::full_backlog_read_bytes)),
    (
        "limits.subscriber_events",
        There(
            "tests/it/delivery.rs",
            "a_listener_whose_subscriber_cannot_take_connected_stops_accepting_and_goes_on_later",
        ),
    ),
    ("limits.subscriber_reports", here!(sizes::subscriber_reports)),
    (
        "limits.subscriber_retained_bytes",
        There("tests/it/delivery.rs", "a_resume_further_back_than_what_is_kept_tells_the_exact_gap"),
    ),
    ("limits.batch_envelopes", here!(sizes::batch_envelopes)),
    ("limits.batch_bytes", here!(sizes::batch_bytes)),
    (
        "limits.stall_timeout",
        There(
            "tests/it/delivery.rs",
            "a_stream_that_reads_nothing_for_the_stall_limit_is_ended_and_the_rest_waits_for_the_next",
        ),
    ),
    (
        "limits.subscriber_idle_timeout",
        There(
            "tests/it/delivery.rs",
            "a_resume_against_another_instance_or_another_life_of_the_subscriber_fails_loudly",
        ),
    ),
    ("limits.orphan_timeout", There("tests/it/timeouts.rs", "an_orphan_timeout_of_0_is_never")),
    ("limits.payload_bytes", here!(sizes::payload_bytes)),
    ("limits.payload_items", here!(sizes::payload_items)),
    ("limits.send_queue_sends", There("tests/it/sends.rs", "the_send_queue_has_a_limit_in_sends_and_in_bytes")),
    ("limits.send_queue_bytes", There("tests/it/sends.rs", "the_send_queue_has_a_limit_in_sends_and_in_bytes")),
    ("limits.turn_waiters", There("tests/it/exchange.rs", "only_so_many_wait_for_the_turn")),
    (
        "limits.attach_commands",
        There("tests/it/attach.rs", "a_client_that_never_reads_its_answers_is_cut_off_past_the_bound_and_not_before"),
    ),
    (
        "limits.attach_send_credit_bytes",
        There("tests/it/attach.rs", "a_send_beyond_the_credit_is_refused_and_reading_peers_renew_it"),
    ),
    ("limits.line_bytes", There("tests/it/claims.rs", "a_line_too_long_ends_its_session_and_no_other")),
    (
        "limits.line_held_lines",
        There("tests/it/exchange.rs", "an_answer_that_outgrows_what_may_be_collected_fails_and_goes_to_the_holder"),
    ),
    ("limits.line_held_bytes", here!(sizes::line_held_bytes)),
    (
        "limits.pattern_bytes",
        There("tests/it/claims.rs", "patterns_that_cannot_be_used_are_refused_and_change_nothing"),
    ),
    (
        "limits.pattern_compiled_bytes",
        There("tests/it/claims.rs", "patterns_that_cannot_be_used_are_refused_and_change_nothing"),
    ),
    ("limits.pattern_nesting", here!(sizes::pattern_nesting)),
    ("limits.connect_timeout", here!(times::connect_timeout)),
    ("limits.exchange_timeout", here!(times::exchange_timeout)),
    ("limits.settle_timeout", here!(times::settle_timeout)),
    (
        "limits.close_timeout",
        There("tests/it/closing.rs", "a_peer_that_neither_reads_nor_ends_is_cut_after_the_close_timeout"),
    ),
    ("limits.socket_receive_buffer_bytes", here!(sizes::socket_receive_buffer_bytes)),
    (
        "limits.udp_receive_buffer_bytes",
        There("tests/it/metrics.rs", "datagrams_that_the_kernel_drops_are_counted_apart"),
    ),
    ("limits.accepts_per_second", There("tests/it/quotas.rs", "a_listener_accepts_at_its_rate")),
    (
        "limits.memory_bytes",
        There("tests/it/quotas.rs", "without_memory_nothing_is_opened_or_read_and_what_lives_goes_on_after"),
    ),
    (
        "limits.memory_refuse_percent",
        There(
            "tests/operations/memory_group.rs",
            "near_the_end_of_its_control_group_nothing_is_opened_and_what_lives_goes_on",
        ),
    ),
    (
        "limits.memory_pause_percent",
        There(
            "tests/operations/memory_group.rs",
            "near_the_end_of_its_control_group_nothing_is_opened_and_what_lives_goes_on",
        ),
    ),
    ("limits.grpc_connections", There(FLOODS, "connections_of_all_addresses_together_are_bounded")),
    (
        "limits.grpc_connections_per_peer",
        There(FLOODS, "a_connection_too_many_is_closed_at_once_and_its_place_comes_back"),
    ),
    (
        "limits.grpc_handshakes",
        There("tests/identity/tls.rs", "the_oldest_of_too_many_slow_handshakes_gives_way_and_good_clients_come_in"),
    ),
    ("limits.grpc_streams_per_connection", There(FLOODS, "one_connection_cannot_hold_unlimited_streams")),
    ("limits.grpc_pending_resets", There(FLOODS, "streams_that_are_reset_at_once_end_their_connection")),
    ("limits.grpc_header_bytes", There(FLOODS, "huge_headers_are_refused")),
    ("limits.grpc_message_bytes", here!(sizes::grpc_message_bytes)),
    (
        "limits.failed_authentications_per_second",
        There(
            "tests/identity/guessing.rs",
            "an_address_that_guesses_is_not_looked_at_for_a_while_and_who_was_known_before_goes_on",
        ),
    ),
    (
        "limits.grpc_preface_timeout",
        There(FLOODS, "a_preface_that_drips_is_cut_at_its_deadline_and_does_not_keep_good_clients_out"),
    ),
    ("limits.grpc_connection_age", There(FLOODS, "an_old_connection_is_told_to_go_and_cut_when_it_does_not")),
    ("limits.grpc_connection_age_grace", There(FLOODS, "an_old_connection_is_told_to_go_and_cut_when_it_does_not")),
    (
        "limits.audit_queue_records",
        There("tests/it/audit.rs", "a_pipe_that_nobody_empties_holds_up_nobody_and_what_is_lost_is_counted_and_told"),
    ),
    (
        "limits.tap_queue_bytes",
        There("tests/it/taps.rs", "a_tapper_that_does_not_read_loses_records_and_the_session_nothing"),
    ),
    (
        "limits.admin_connections",
        There("tests/it/metrics.rs", "admin_connections_are_bounded_and_those_that_say_nothing_are_ended"),
    ),
    (
        "limits.admin_header_timeout",
        There("tests/it/metrics.rs", "admin_connections_are_bounded_and_those_that_say_nothing_are_ended"),
    ),
    (
        "limits.drain_delay",
        There("tests/operations/drain.rs", "during_the_drain_delay_health_says_not_serving_and_everything_works"),
    ),
    (
        "limits.shutdown_timeout",
        There("tests/it/shutdown.rs", "clients_that_never_read_hold_a_stop_no_longer_than_the_shutdown_timeout"),
    ),
    ("quota.sessions", There(QUOTAS, "counts_are_refused_to_the_identity_that_has_them_all_and_to_no_other")),
    ("quota.listeners", There(QUOTAS, "counts_are_refused_to_the_identity_that_has_them_all_and_to_no_other")),
    ("quota.subscribers", There(QUOTAS, "counts_are_refused_to_the_identity_that_has_them_all_and_to_no_other")),
    ("quota.streams", There(QUOTAS, "counts_are_refused_to_the_identity_that_has_them_all_and_to_no_other")),
    ("quota.pending_connects", There(QUOTAS, "dials_are_refused_beyond_their_number_and_their_rate")),
    ("quota.dials_per_second", There(QUOTAS, "dials_are_refused_beyond_their_number_and_their_rate")),
    ("quota.backlog_bytes", There(QUOTAS, "a_backlog_pauses_the_reading_of_its_own_identity_alone")),
    ("quota.received_bytes_per_second", There(QUOTAS, "bytes_come_and_go_at_the_rate_of_their_own_identity")),
    ("quota.sent_bytes_per_second", There(QUOTAS, "bytes_come_and_go_at_the_rate_of_their_own_identity")),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_limit_is_reached_in_turn_and_the_process_is_healthy_after() {
    let rig = Rig::new().await;
    for (key, reached) in TABLE {
        if let Here(reach) = reached {
            // Shown where the test fails.
            println!("{key}");
            reach(&rig).await;
            rig.is_healthy().await;
        }
    }
}

#[test]
fn every_setting_that_bounds_something_is_reached_by_a_test() {
    let table: BTreeMap<&str, &Reached> = TABLE.iter().map(|(key, reached)| (*key, reached)).collect();
    assert_eq!(table.len(), TABLE.len(), "no key is there twice");
    let bounds = |key: &&str| key.starts_with("limits.") || key.starts_with("quota.");
    let settings: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).filter(bounds).collect();
    for key in &settings {
        assert!(table.contains_key(key), "{key} has no entry here: reach it, and name the test that does");
    }
    for (key, reached) in table {
        assert!(settings.contains(&key), "{key} is no setting any more");
        if let There(file, test) = reached {
            is_reached_by(key, file, test);
        }
    }
}

/// That the file has this test, and that it names the setting.
fn is_reached_by(key: &str, file: &str, test: &str) {
    let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{key}: {file}: {error}"));
    let (before, rest) =
        text.split_once(&format!("fn {test}(")).unwrap_or_else(|| panic!("{key}: {file} has no test {test}"));
    let attributes = before.rsplit("\n\n").next().unwrap_or_default();
    assert!(attributes.contains("test"), "{key}: {test} of {file} is no test");
    let body = rest.split("\n}\n").next().unwrap_or_default();
    let name = key.rsplit('.').next().unwrap_or(key);
    assert!(body.contains(name), "{key}: {test} of {file} does not name it");
}
