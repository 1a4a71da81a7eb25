//! Collecting lines until a `wait_for` matches: on lines, on the unfinished rest, across claims, up to the limits.

use super::*;

fn frames_for(pattern: &str, chunks: &[&[u8]]) -> Vec<Frame> {
    push_all(&mut LineFramer::new(ROOMY), chunks, Some(&mut wait_for(pattern))).expect("no line is too long")
}

#[test]
fn a_prompt_without_a_line_end_matches() {
    let frames = frames_for("^ENTER COMMAND", &[b"hello\r\nENTER ", b"COMMAND> "]);
    assert_eq!(frames, [Frame { offset: 0, next_offset: 22, content: matched(&["hello"], "ENTER COMMAND> ") }]);
}

#[test]
fn a_line_matches_only_without_its_line_end() {
    assert_eq!(contents(frames_for(r"^ok$", &[b"not ok\r\nok\r\n"])), [matched(&["not ok"], "ok")]);
    assert_eq!(contents(frames_for(r"\s$", &[b"ok\r\n"])), []);
}

#[test]
fn the_end_of_a_chunk_counts_as_the_end_of_the_rest() {
    assert_eq!(
        contents(frames_for("> $", &[b"a> b", b"> ", b"next> \n"])),
        [matched(&[], "a> b> "), matched(&[], "next> ")]
    );
    assert_eq!(contents(frames_for(r"end\b", &[b"en", b"d"])), [matched(&[], "end")]);
}

#[test]
fn the_start_of_a_line_is_not_the_start_of_a_chunk() {
    assert_eq!(contents(frames_for("^b", &[b"a", b"b", b"\nb"])), [matched(&["ab"], "b")]);
}

#[test]
fn bytes_after_a_matched_rest_begin_a_new_line() {
    let frames = frames_for("^> ", &[b"> ", b"echo\r\n> "]);
    assert_eq!(contents(frames), [matched(&[], "> "), matched(&["echo"], "> ")]);
}

#[test]
fn a_line_end_directly_after_a_matched_rest_makes_an_empty_line() {
    let frames = frames_for("^ok$", &[b"ok", b"\r", b"\nok\n"]);
    assert_eq!(contents(frames), [matched(&[], "ok"), matched(&[""], "ok")]);
}

#[test]
fn lines_after_a_match_are_collected_for_the_next_one() {
    let mut framer = LineFramer::new(ROOMY);
    let mut state = wait_for("^ok$");
    let frames = push_all(&mut framer, &[b"a\nok\nb\nc\n"], Some(&mut state)).unwrap();
    assert_eq!(contents(frames), [matched(&["a"], "ok")]);
    assert_eq!((framer.offset(), framer.held_bytes()), (5, 2));
    let frames = push_all(&mut framer, &[b"d\nok\n"], Some(&mut state)).unwrap();
    assert_eq!(frames, [Frame { offset: 5, next_offset: 14, content: matched(&["b", "c", "d"], "ok") }]);
}

#[test]
fn captures_come_in_order_with_names_and_with_groups_that_took_no_part() {
    for chunk in [&b"x42 left"[..], b"x42 left\n"] {
        let frames = frames_for(r"(\d+)(?: (?<side>left)| (?<other>right))()", &[chunk]);
        let [Frame { content: Content::Match { captures, matched, .. }, .. }] = &frames[..] else {
            panic!("{frames:?}")
        };
        assert_eq!(matched, "x42 left");
        let expected = [
            capture(None, Some("42")),
            capture(Some("side"), Some("left")),
            capture(Some("other"), None),
            capture(None, Some("")),
        ];
        assert_eq!(captures[..], expected);
    }
}

#[test]
fn bytes_that_are_not_utf8_can_match_and_survive() {
    let frames = frames_for(r"(?-u)\xFF(.*)$", &[b"\xC3\xFF\x80"]);
    let [Frame { content: Content::Match { matched, captures, .. }, .. }] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!((&matched[..], captures[0].value.as_deref()), (&b"\xC3\xFF\x80"[..], Some(&b"\x80"[..])));
}

#[test]
fn lines_are_handed_over_when_the_claim_moves_but_not_the_rest() {
    let mut framer = LineFramer::new(ROOMY);
    assert_eq!(framer.flush_collected(), None);
    push_all(&mut framer, &[b"a\nb\r", b"\nres"], Some(&mut wait_for("never"))).unwrap();
    let frame = framer.flush_collected().expect("two lines are held");
    assert_eq!(frame, Frame { offset: 0, next_offset: 4, content: flushed(&["a", "b"], false) });
    assert_eq!((framer.held_bytes(), framer.flush_collected()), (3, None));
    let frames = push_all(&mut framer, &[b"t\n"], Some(&mut wait_for("^rest"))).unwrap();
    assert_eq!(frames, [Frame { offset: 4, next_offset: 10, content: matched(&[], "rest") }]);
}

#[test]
fn lines_collected_before_are_flushed_first_once_nobody_waits() {
    let mut framer = LineFramer::new(ROOMY);
    push_all(&mut framer, &[b"a\n"], Some(&mut wait_for("never"))).unwrap();
    let frames = push_all(&mut framer, &[b"b\n"], None).unwrap();
    assert_eq!(contents(frames), [flushed(&["a"], false), line("b")]);
}

#[test]
fn a_new_claim_finds_a_rest_that_was_there_before_it() {
    let mut framer = LineFramer::new(ROOMY);
    push_all(&mut framer, &[b"login: "], None).unwrap();
    let frames = push_all(&mut framer, &[b""], Some(&mut wait_for("^login"))).unwrap();
    assert_eq!(contents(frames), [matched(&[], "login: ")]);
}

#[test]
fn a_claim_that_missed_calls_goes_on_correctly() {
    let mut framer = LineFramer::new(ROOMY);
    let (mut first, mut second) = (wait_for("abc$"), wait_for("never"));
    assert_eq!(push_all(&mut framer, &[b"a"], Some(&mut first)), Ok(Vec::new()));
    assert_eq!(push_all(&mut framer, &[b"b"], Some(&mut second)), Ok(Vec::new()));
    assert_eq!(contents(push_all(&mut framer, &[b"c"], Some(&mut first)).unwrap()), [matched(&[], "abc")]);
    // A rest as long as the one it knew, but another one.
    assert_eq!(push_all(&mut framer, &[b"ab"], Some(&mut first)), Ok(Vec::new()));
    assert_eq!(contents(push_all(&mut framer, &[b"\nxx"], None).unwrap()), [line("ab")]);
    assert_eq!(push_all(&mut framer, &[b"c"], Some(&mut first)), Ok(Vec::new()));
}

#[test]
fn neither_a_buffer_nor_a_cache_is_kept_once_the_rest_is_gone() {
    let mut framer = LineFramer::new(ROOMY);
    let mut state = wait_for("login: $");
    for ending in [&b"in: "[..], b"\r\n"] {
        push_all(&mut framer, &[b"log"], Some(&mut state)).unwrap();
        assert!(framer.rest_capacity() > 0 && state.holds_cache());
        push_all(&mut framer, &[ending], Some(&mut state)).unwrap();
        assert!(framer.rest_capacity() == 0 && !state.holds_cache());
    }
}

#[test]
fn a_state_brought_to_another_framer_starts_over() {
    let mut state = wait_for("abc");
    push_all(&mut LineFramer::new(ROOMY), &[b"12345678"], Some(&mut state)).unwrap();
    let frames = push_all(&mut LineFramer::new(ROOMY), &[b"ab", b"c"], Some(&mut state)).unwrap();
    assert_eq!(contents(frames), [matched(&[], "abc")]);
}

#[test]
fn the_end_of_the_stream_hands_over_lines_and_rest_together() {
    let mut framer = LineFramer::new(ROOMY);
    push_all(&mut framer, &[b"a\nb\nc"], Some(&mut wait_for("never"))).unwrap();
    assert_eq!(framer.finish(), Some(Frame { offset: 0, next_offset: 5, content: flushed(&["a", "b", "c"], true) }));
    push_all(&mut framer, &[b"d\r\n"], Some(&mut wait_for("never"))).unwrap();
    assert_eq!(framer.finish(), Some(Frame { offset: 5, next_offset: 8, content: flushed(&["d"], false) }));
}

#[test]
fn too_many_held_lines_are_flushed_and_collecting_goes_on() {
    let mut framer = LineFramer::new(LineLimits { held_lines: 2, ..ROOMY });
    let frames = push_all(&mut framer, &[b"a\nb\n", b"c\nd\nok\n"], Some(&mut wait_for("^ok"))).unwrap();
    assert_eq!(contents(frames), [flushed(&["a", "b", "c"], false), matched(&["d"], "ok")]);
}

#[test]
fn too_many_held_bytes_are_flushed_and_collecting_goes_on() {
    let mut framer = LineFramer::new(LineLimits { held_bytes: 4, ..ROOMY });
    let frames = push_all(&mut framer, &[b"ab\ncd\n", b"e\nf\nok\n"], Some(&mut wait_for("^ok"))).unwrap();
    assert_eq!(contents(frames), [flushed(&["ab", "cd", "e"], false), matched(&["f"], "ok")]);
}

#[test]
fn a_line_too_long_leaves_the_collected_lines_to_the_end() {
    let mut framer = LineFramer::new(LineLimits { line_bytes: 3, ..ROOMY });
    let mut frames = Vec::new();
    assert!(framer.push(b"a\nlong one\n", Some(&mut wait_for("never")), usize::MAX, &mut frames).is_err());
    assert_eq!(frames, []);
    assert_eq!(framer.finish().map(|frame| frame.content), Some(flushed(&["a", "lon"], true)));
}
