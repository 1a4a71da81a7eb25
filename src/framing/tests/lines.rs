//! Splitting without a `wait_for`: line ends, offsets, the limit, the end of the stream.

use super::*;

fn lines_of(chunks: &[&[u8]]) -> Vec<Content> {
    contents(push_all(&mut LineFramer::new(ROOMY), chunks, None).expect("no line is too long"))
}

#[test]
fn all_three_line_ends_split() {
    assert_eq!(lines_of(&[b"a\r\nb\nc\rd\n"]), [line("a"), line("b"), line("c"), line("d")]);
}

#[test]
fn line_ends_in_a_row_make_empty_lines() {
    assert_eq!(lines_of(&[b"\n\r\n\r\r\n"]), [line(""), line(""), line(""), line("")]);
}

#[test]
fn a_line_is_put_together_from_many_chunks() {
    assert_eq!(lines_of(&[b"a", b"b", b"", b"c\nd", b"e\n"]), [line("abc"), line("de")]);
}

#[test]
fn a_cr_at_the_end_of_a_chunk_ends_its_line_at_once() {
    assert_eq!(lines_of(&[b"a\r"]), [line("a")]);
}

#[test]
fn the_newline_of_a_cut_line_end_is_swallowed() {
    assert_eq!(lines_of(&[b"a\r", b"\nb\n"]), [line("a"), line("b")]);
    assert_eq!(lines_of(&[b"a\r", b"", b"\n", b"\n"]), [line("a"), line("")]);
}

#[test]
fn a_newline_is_swallowed_only_directly_after_the_cr() {
    assert_eq!(lines_of(&[b"a\r", b"b", b"\n\n"]), [line("a"), line("b"), line("")]);
}

#[test]
fn a_swallowed_newline_counts_at_the_start_of_the_next_frame() {
    let mut framer = LineFramer::new(ROOMY);
    let frames = push_all(&mut framer, &[b"a\r", b"\n", b"b\r\n", b"c"], None).unwrap();
    let offsets: Vec<_> = frames.iter().map(|frame| (frame.offset, frame.next_offset)).collect();
    assert_eq!(offsets, [(0, 2), (2, 6)]);
    assert_eq!(framer.offset(), 6);
    let last = framer.finish().expect("the rest is held");
    assert_eq!((last.offset, last.next_offset), (6, 7));
}

#[test]
fn a_trailing_swallowed_newline_counts_for_no_frame() {
    let mut framer = LineFramer::new(ROOMY);
    push_all(&mut framer, &[b"a\r", b"\n"], None).unwrap();
    assert_eq!(framer.offset(), 2);
    assert_eq!(framer.finish(), None);
}

#[test]
fn the_end_of_the_stream_hands_over_the_rest() {
    let mut framer = LineFramer::new(ROOMY);
    push_all(&mut framer, &[b"a\nb", b"c"], None).unwrap();
    assert_eq!(framer.held_bytes(), 2);
    let frame = framer.finish().expect("the rest is held");
    assert_eq!(frame, Frame { offset: 2, next_offset: 4, content: flushed(&["bc"], true) });
    assert_eq!((framer.held_bytes(), framer.finish()), (0, None));
}

#[test]
fn a_line_as_long_as_the_limit_passes_and_one_byte_more_is_too_long() {
    let limits = LineLimits { line_bytes: 3, ..ROOMY };
    let cuts: [&[&[u8]]; 4] =
        [&[b"x\nabc\r\n"], &[b"x\nabc", b"\r", b"\n"], &[b"x\na", b"b", b"c\n"], &[b"x\nab", b"c\n"]];
    for cut in cuts {
        let frames = push_all(&mut LineFramer::new(limits), cut, None).expect("three bytes are within the limit");
        assert_eq!(contents(frames), [line("x"), line("abc")]);
    }
    let cuts: [&[&[u8]]; 4] = [&[b"x\nabcd\ny\n"], &[b"x\nabcd"], &[b"x\nab", b"cd"], &[b"x\nabc", b"d\n"]];
    for cut in cuts {
        let mut framer = LineFramer::new(limits);
        let mut frames = Vec::new();
        let fault = cut.iter().find_map(|chunk| framer.push(chunk, None, usize::MAX, &mut frames).err());
        assert_eq!(fault, Some(LineTooLong { limit: 3 }));
        assert_eq!(contents(frames), [line("x")], "what came before the fault is delivered");
        let held = framer.finish().expect("the beginning of the line is held");
        assert_eq!(held, Frame { offset: 2, next_offset: 5, content: flushed(&["abc"], true) });
    }
}

#[test]
fn a_short_line_does_not_keep_the_long_rest_of_its_chunk_alive() {
    let mut framer = LineFramer::new(LineLimits { line_bytes: 64 << 10, ..ROOMY });
    let mut chunk = b"ab\n".to_vec();
    chunk.resize(60 << 10, b'x');
    let mut frames = push_all(&mut framer, &[&chunk], None).unwrap();
    let Some(Content::Line(first)) = frames.pop().map(|frame| frame.content) else { panic!("one line comes") };
    // The only owner of the memory gets all of it back, not a copy.
    let capacity = Vec::from(first).capacity();
    assert!(capacity <= 16, "{capacity} bytes");
}

#[test]
fn no_buffer_is_kept_while_nothing_is_held() {
    let mut framer = LineFramer::new(ROOMY);
    push_all(&mut framer, &[b"abc", b"def\n"], None).unwrap();
    assert_eq!(framer.rest_capacity(), 0);
}

#[test]
fn content_tells_its_length() {
    assert_eq!((Content::Chunk(bytes("abc")).len(), line("ab").len(), flushed(&["a", "bc"], false).len()), (3, 2, 3));
    let captures = vec![capture(None, Some("xy")), capture(None, None)];
    assert_eq!(Content::Match { lines: vec![bytes("a")], matched: bytes("xyz"), captures }.len(), 6);
    assert!(line("").is_empty() && !line("a").is_empty());
}

#[test]
fn a_frame_accounts_for_both_bytes_of_its_line_end_however_few_frames_are_taken() {
    let mut framer = LineFramer::new(ROOMY);
    let mut frames = Vec::new();
    assert_eq!(framer.push(b"a\r\nb\r\n", None, 1, &mut frames), Ok(3));
    assert_eq!(framer.push(b"b\r\n", None, 1, &mut frames), Ok(3));
    let offsets: Vec<_> = frames.iter().map(|frame| (frame.offset, frame.next_offset)).collect();
    assert_eq!(offsets, [(0, 3), (3, 6)]);
}
