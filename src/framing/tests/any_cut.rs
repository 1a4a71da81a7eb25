//! Properties that hold for all bytes in all cuts, checked against a reference that goes byte by byte and keeps everything.

use proptest::prelude::*;
use regex::bytes::Regex;

use super::*;

/// Small limits, so that random input reaches them.
const TIGHT: LineLimits = LineLimits { line_bytes: 12, held_lines: 3, held_bytes: 20 };

/// Patterns of every kind that the scan of the rest treats differently.
const PATTERNS: [&str; 10] =
    ["ab", "^a", "b$", "^ab?$", r"\bb\b", r"(?-u:\b)b", "(a|é)+>$", r"é\b", "^.*$", r"(?-u)\xFF$"];

/// Complete lines, and the rest.
fn reference(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let (mut lines, mut rest) = (Vec::new(), Vec::new());
    let mut after_cr = false;
    for &byte in bytes {
        match byte {
            b'\n' if after_cr => {}
            b'\r' | b'\n' => lines.push(std::mem::take(&mut rest)),
            _ => rest.push(byte),
        }
        after_cr = byte == b'\r';
    }
    (lines, rest)
}

/// All lines of some frames in their order, matched ones and unfinished ones among them.
fn delivered<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> Vec<Vec<u8>> {
    let lines = frames.into_iter().flat_map(|frame| match &frame.content {
        Content::Chunk(line) | Content::Line(line) => vec![line.clone()],
        Content::Match { lines, matched, .. } => lines.iter().chain([matched]).cloned().collect(),
        Content::Flushed { lines, .. } => lines.clone(),
    });
    lines.map(Vec::from).collect()
}

fn are_contiguous(frames: &[Frame], end: u64) -> bool {
    let starts = frames.iter().map(|frame| frame.offset).chain([end]);
    let ends = [0].into_iter().chain(frames.iter().map(|frame| frame.next_offset));
    starts.eq(ends)
}

/// Bytes rich in line ends and in what the patterns look for, some of them not UTF-8.
fn stream(length: usize) -> impl Strategy<Value = Vec<u8>> {
    let sought = vec![&b"a"[..], b"b", b"ab", b" ", b">", "é".as_bytes(), b"\xFF", b"\xC3"];
    let line_ends = vec![&b"\r"[..], b"\n", b"\r\n"];
    let piece = prop_oneof![
        4 => prop::sample::select(sought).prop_map(Vec::from),
        2 => prop::sample::select(line_ends).prop_map(Vec::from),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(piece, 0..length).prop_map(|pieces| pieces.concat())
}

/// The same bytes in pieces, some of them empty.
fn chunks(stream: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..12);
    (stream, cuts).prop_map(|(bytes, cuts)| {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        cuts.windows(2).map(|ends| bytes[ends[0]..ends[1]].to_vec()).collect()
    })
}

proptest! {
    #[test]
    fn room_for_a_few_frames_at_a_time_gives_the_same_lines(chunks in chunks(stream(80)), most in 1_usize..4) {
        let (lines, rest) = reference(&chunks.concat());
        let mut framer = LineFramer::new(ROOMY);
        let mut frames = Vec::new();
        for chunk in &chunks {
            let mut chunk = chunk.as_slice();
            while !chunk.is_empty() {
                let before = frames.len();
                let taken = framer.push(chunk, None, most, &mut frames).unwrap();
                prop_assert!(taken > 0 && frames.len() - before <= most);
                chunk = &chunk[taken..];
            }
        }
        prop_assert_eq!(delivered(&frames), lines);
        prop_assert!(are_contiguous(&frames, framer.offset()));
        prop_assert_eq!(framer.held_bytes(), rest.len());
    }

    #[test]
    fn every_cut_gives_the_same_lines(chunks in chunks(stream(80))) {
        let bytes = chunks.concat();
        let (lines, rest) = reference(&bytes);
        let mut framer = LineFramer::new(ROOMY);
        let mut frames = Vec::new();
        for chunk in &chunks {
            framer.push(chunk, None, usize::MAX, &mut frames).unwrap();
        }
        prop_assert_eq!(delivered(&frames), lines);
        prop_assert!(are_contiguous(&frames, framer.offset()));
        prop_assert_eq!(framer.held_bytes(), rest.len());
        // All bytes are accounted for or held, but for a swallowed "\n" at the end, which waits for a frame to count in.
        let pending = bytes.len() - rest.len() - framer.offset() as usize;
        let (before, after) = bytes.split_at(framer.offset() as usize);
        prop_assert!(pending == 0 || pending == 1 && before.ends_with(b"\r") && after.starts_with(b"\n"));

        let last = framer.finish();
        if let Some(frame) = &last {
            prop_assert_eq!(frame.next_offset, bytes.len() as u64);
        }
        prop_assert_eq!(delivered(&last).concat(), rest);
    }

    #[test]
    fn every_cut_meets_the_same_line_limit(chunks in chunks(stream(60))) {
        let (mut lines, rest) = reference(&chunks.concat());
        if !rest.is_empty() {
            lines.push(rest);
        }
        let too_long = lines.iter().position(|line| line.len() > TIGHT.line_bytes);
        if let Some(index) = too_long {
            lines.truncate(index + 1);
            lines[index].truncate(TIGHT.line_bytes);
        }
        let mut framer = LineFramer::new(TIGHT);
        let mut frames = Vec::new();
        let fault = chunks.iter().find_map(|chunk| framer.push(chunk, None, usize::MAX, &mut frames).err());
        prop_assert_eq!(fault.is_some(), too_long.is_some());
        prop_assert!(framer.held_bytes() <= TIGHT.line_bytes);
        frames.extend(framer.finish());
        prop_assert_eq!(delivered(&frames), lines);
    }

    #[test]
    fn waiting_loses_nothing_and_holds_no_more_than_the_limits(
        chunks in chunks(stream(80)),
        pattern in prop::sample::select(&PATTERNS[..]),
    ) {
        let mut framer = LineFramer::new(TIGHT);
        let mut state = wait_for(pattern);
        let mut frames = Vec::new();
        let fault = chunks.iter().find_map(|chunk| {
            let fault = framer.push(chunk, Some(&mut state), usize::MAX, &mut frames).err();
            assert!(framer.held_bytes() <= TIGHT.held_bytes + TIGHT.line_bytes);
            fault
        });
        frames.extend(framer.finish());
        prop_assert!(are_contiguous(&frames, framer.offset()));
        for frame in &frames {
            let lines = match &frame.content {
                Content::Match { lines, .. } | Content::Flushed { lines, .. } => lines.len(),
                content => panic!("{content:?} while waiting"),
            };
            prop_assert!(lines <= TIGHT.held_lines + 1);
        }
        // Without the line ends, what comes out is what went in, up to the fault.
        let bare = |bytes: &[u8]| bytes.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect::<Vec<_>>();
        let (came_in, came_out) = (bare(&chunks.concat()), delivered(&frames).concat());
        prop_assert!(came_in.starts_with(&came_out));
        prop_assert!(fault.is_some() || came_in.len() == came_out.len());
    }

    #[test]
    fn waiting_for_whole_lines_delivers_the_lines_of_the_reference(
        chunks in chunks(stream(80)),
        pattern in prop::sample::select(&PATTERNS[..]),
    ) {
        let (lines, _) = reference(&chunks.concat());
        let mut framer = LineFramer::new(ROOMY);
        let mut state = wait_for(pattern);
        let mut frames = Vec::new();
        for line in &lines {
            framer.push(&[line, &b"\r"[..]].concat(), Some(&mut state), usize::MAX, &mut frames).unwrap();
        }
        frames.extend(framer.finish());
        prop_assert_eq!(delivered(&frames), lines);
    }

    #[test]
    fn a_match_comes_exactly_where_scanning_everything_anew_finds_it(
        chunks in chunks(stream(80)),
        pattern in prop::sample::select(&PATTERNS[..]),
    ) {
        let regex = Regex::new(pattern).unwrap();
        let mut framer = LineFramer::new(ROOMY);
        let mut state = wait_for(pattern);
        let (mut expected, mut rest, mut after_cr) = (Vec::new(), Vec::new(), false);
        let mut matches = Vec::new();
        for chunk in &chunks {
            let mut frames = Vec::new();
            framer.push(chunk, Some(&mut state), usize::MAX, &mut frames).unwrap();
            matches.extend(frames.into_iter().filter_map(|frame| match frame.content {
                Content::Match { matched, .. } => Some(matched.to_vec()),
                _ => None,
            }));

            let swallowed = usize::from(after_cr && chunk.starts_with(b"\n"));
            after_cr = chunk.last().map_or(after_cr, |last| *last == b'\r');
            let (lines, now_rest) = reference(&[&rest[..], &chunk[swallowed..]].concat());
            expected.extend(lines.into_iter().filter(|line| regex.is_match(line)));
            rest = now_rest;
            if !rest.is_empty() && regex.is_match(&rest) {
                expected.push(std::mem::take(&mut rest));
            }
        }
        prop_assert_eq!(matches, expected);
    }
}
