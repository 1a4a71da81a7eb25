//! Tests of the framing room: what its promises say, fed as bytes in every cut.

mod any_cut;
mod lines;
mod patterns;
mod waiting;
mod work;

use bytes::Bytes;

use super::{Capture, Content, Frame, LineFramer, LineLimits, LineTooLong, PatternLimits, WaitFor, WaitState};

/// Limits that no test reaches by accident, small enough to be reached on purpose.
const ROOMY: LineLimits = LineLimits { line_bytes: 1 << 10, held_lines: 100, held_bytes: 4 << 10 };

/// Feeds all chunks, with the same state where there is one.
fn push_all(
    framer: &mut LineFramer,
    chunks: &[&[u8]],
    mut wait_for: Option<&mut WaitState>,
) -> Result<Vec<Frame>, LineTooLong> {
    let mut frames = Vec::new();
    for chunk in chunks {
        framer.push(chunk, wait_for.as_deref_mut(), usize::MAX, &mut frames)?;
    }
    Ok(frames)
}

fn wait_for(pattern: &str) -> WaitState {
    WaitFor::compile(pattern, &PatternLimits::default()).expect("the test's pattern is valid").new_state()
}

fn line(text: &str) -> Content {
    Content::Line(bytes(text))
}

fn matched(lines: &[&str], text: &str) -> Content {
    Content::Match { lines: lines.iter().map(|line| bytes(line)).collect(), matched: bytes(text), captures: Vec::new() }
}

fn flushed(lines: &[&str], last_unfinished: bool) -> Content {
    Content::Flushed { lines: lines.iter().map(|line| bytes(line)).collect(), last_unfinished }
}

fn capture(name: Option<&str>, value: Option<&str>) -> Capture {
    Capture { name: name.map(Into::into), value: value.map(bytes) }
}

fn contents(frames: Vec<Frame>) -> Vec<Content> {
    frames.into_iter().map(|frame| frame.content).collect()
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
