//! The cost of testing an unfinished rest, counted in bytes read, and that the ways to save it find what they should.

use super::super::rest_scan::TAIL;
use super::*;

const LIMITS: LineLimits = LineLimits { line_bytes: 64 << 10, ..ROOMY };

/// Feeds a text byte by byte and tells how many frames came and how many bytes were read for it.
fn byte_by_byte(pattern: &str, text: &[u8]) -> (usize, usize) {
    feed(wait_for(pattern), text)
}

fn feed(mut state: WaitState, text: &[u8]) -> (usize, usize) {
    let mut framer = LineFramer::new(LIMITS);
    let mut frames = Vec::new();
    for byte in text.chunks(1) {
        framer.push(byte, Some(&mut state), usize::MAX, &mut frames).expect("the text is within the limit");
    }
    (frames.len(), state.work())
}

fn filler(length: usize) -> Vec<u8> {
    b"abcde fghi ".iter().copied().cycle().take(length).collect()
}

#[test]
fn a_long_rest_fed_byte_by_byte_is_read_once() {
    let text = filler(64 << 10);
    for pattern in ["never", "xyz$", r"\bnever\b", r"^\w+ \w+\s\d$", "(a|b)*abdc$", ".*x.*y", r"(?-u)\xFF$"] {
        let (frames, work) = byte_by_byte(pattern, &text);
        assert_eq!(frames, 0, "{pattern}");
        assert!(work <= text.len(), "{pattern}: {work} bytes read");
    }
}

#[test]
fn a_rest_that_can_no_longer_match_is_not_read_on() {
    let (_, work) = byte_by_byte("^>", &filler(64 << 10));
    assert_eq!(work, 1);
}

#[test]
fn where_the_automaton_gives_up_the_cost_stays_linear() {
    let mut text = "é ".to_owned().into_bytes();
    text.extend(filler(64 << 10).split_off(text.len()));
    let (frames, work) = byte_by_byte(r"\bnever\b", &text);
    assert_eq!(frames, 0);
    assert!(work <= text.len() * (TAIL + 8), "{work} bytes read");
    assert!(work > text.len() * 2, "this text was to make the automaton give up");
}

#[test]
fn where_the_automaton_gives_up_a_prompt_is_found_as_soon_as_it_arrives() {
    for length in [0, 1, 100, TAIL, TAIL + 1, 1000, 20_000] {
        let mut text = "é".to_owned().into_bytes();
        text.extend(filler(length));
        assert_eq!(byte_by_byte(r"\bready>$", &[&text[..], b" ready"].concat()).0, 0);
        assert_eq!(byte_by_byte(r"\bready>$", &[&text[..], b" ready>"].concat()).0, 1, "after {length} bytes");
    }
}

#[test]
fn where_the_automaton_gives_up_a_match_from_far_back_is_found_after_a_quarter_more() {
    let mut text = "é ".to_owned().into_bytes();
    text.extend(filler(2000));
    let before = byte_by_byte(r"^é\b.*ready", &text).0;
    text.extend_from_slice(b" ready ");
    text.extend(filler(text.len() / 4));
    assert_eq!((before, byte_by_byte(r"^é\b.*ready", &text).0), (0, 1));
}

#[test]
fn a_pattern_that_overflows_its_cache_still_finds_its_prompt() {
    // Each of the last 16 letters is remembered: 65,536 states, of which the cache holds a small part.
    let mut seed = 1_u32;
    let mut text: Vec<u8> = (0..16 << 10)
        .map(|_| {
            seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            if seed >> 16 & 1 == 0 { b'a' } else { b'b' }
        })
        .collect();
    let (frames, work) = byte_by_byte(r"a[ab]{16}>", &text);
    assert_eq!(frames, 0);
    assert!(work <= text.len(), "{work} bytes read");
    text.extend_from_slice(b"aabababbabababaaab>");
    assert_eq!(byte_by_byte(r"a[ab]{16}>", &text).0, 1);
}

#[test]
fn a_pattern_too_large_for_an_automaton_still_finds_its_prompt() {
    // Within the default limits no pattern is.
    let limits = PatternLimits { compiled_bytes: 4 << 20, ..PatternLimits::default() };
    let pattern = WaitFor::compile(r"\w{60}>", &limits).unwrap();
    let text = [&filler(500)[..], &[b'w'; 60], b">"].concat();
    assert_eq!(feed(pattern.new_state(), &text[..text.len() - 1]).0, 0);
    let (frames, work) = feed(pattern.new_state(), &text);
    assert_eq!(frames, 1);
    assert!(work > text.len() * 2, "this pattern was to be too large");
}

#[test]
fn clones_of_a_pattern_do_not_disturb_each_other() {
    let pattern = WaitFor::compile("one two$", &PatternLimits::default()).unwrap();
    let mut sessions: Vec<_> = (0..8).map(|_| (LineFramer::new(ROOMY), pattern.new_state(), Vec::new())).collect();
    for round in 1..=3 {
        for chunk in [&b"one"[..], b" ", b"two"] {
            for (framer, state, frames) in &mut sessions {
                framer.push(chunk, Some(state), usize::MAX, frames).unwrap();
            }
        }
        assert!(sessions.iter().all(|(_, _, frames)| frames.len() == round));
    }
}
