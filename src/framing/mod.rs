//! Cuts an inbound byte stream into the pieces that are delivered.
//!
//! Pure code: bytes go in, [`Frame`]s come out. No I/O, no clock, no tasks and no logging, so every property of this room is
//! tested by feeding it bytes in all imaginable cuts.
//!
//! - [`mod@line`] splits into lines and collects them for a `wait_for`;
//! - [`mod@wait_for`] compiles patterns and tells whether a line, or the unfinished rest of one, matches;
//! - `rest_scan` makes that cheap for a rest that grows chunk by chunk.
//!
//! What holds for every framer:
//!
//! - frames are contiguous: the first starts at 0, each of the others where the one before it ended;
//! - no byte of a line is altered, lost or delivered twice, whatever it is (lines are bytes, not text);
//! - what is held stays below [`LineLimits`];
//! - the cost is linear in the bytes, however they are cut, but for the exception that `rest_scan` describes and bounds.

pub mod line;
mod rest_scan;
#[cfg(test)]
mod tests;
pub mod wait_for;

use std::sync::Arc;

use bytes::Bytes;

pub use line::LineFramer;
pub use wait_for::{PatternError, PatternLimits, WaitFor, WaitState};

/// A piece of an inbound stream, ready for delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where in the inbound byte stream this frame begins: the previous frame's `next_offset`.
    ///
    /// Line ends count. The "\n" of a "\r\n" that was cut in the middle counts at the start of the next frame, since the line
    /// was delivered at its "\r".
    pub offset: u64,
    /// Where it ends.
    pub next_offset: u64,
    /// What it carries.
    pub content: Content,
}

/// What a [`Frame`] carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A binary chunk.
    Chunk(Bytes),
    /// One line without its line end.
    Line(Bytes),
    /// A `wait_for` matched.
    Match {
        /// The lines before the match, oldest first.
        lines: Vec<Bytes>,
        /// The line, or the unfinished rest of one, that matched.
        matched: Bytes,
        /// The pattern's groups in its order, without the whole match. Their values share the memory of `matched`.
        captures: Vec<Capture>,
    },
    /// Lines that were collected for a `wait_for` and are handed over without a match.
    Flushed {
        /// The lines, oldest first.
        lines: Vec<Bytes>,
        /// Whether the last of them has no line end, because the stream ended there.
        last_unfinished: bool,
    },
}

/// One capture group of a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// The group's name, where it has one.
    pub name: Option<Arc<str>>,
    /// What it matched; `None` where the group took no part in the match.
    pub value: Option<Bytes>,
}

/// How much a line framer holds. One framer needs at most about `2 * line_bytes` for the unfinished rest, `2 * held_bytes` for
/// the payload of the collected lines (a buffer may be half full) and `2 * 32` bytes for each of the `held_lines`: by default some
/// 900 KiB, for a peer that does its worst.
#[derive(Debug, Clone, Copy)]
pub struct LineLimits {
    /// The longest line, without its line end. A longer one ends the stream with [`LineTooLong`].
    pub line_bytes: usize,
    /// How many lines are collected for a `wait_for` before they are flushed.
    pub held_lines: usize,
    /// How many bytes, line ends not counted, are collected for a `wait_for` before they are flushed.
    pub held_bytes: usize,
}

/// A line is longer than the limit. The stream cannot go on: where the next line would start is anybody's guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {limit} bytes")]
pub struct LineTooLong {
    /// [`LineLimits::line_bytes`].
    pub limit: usize,
}

impl Content {
    /// The payload bytes it carries. What a group captured counts again, as it is sent again.
    pub fn len(&self) -> usize {
        match self {
            Self::Chunk(bytes) | Self::Line(bytes) => bytes.len(),
            Self::Match { lines, matched, captures } => {
                let captured: usize =
                    captures.iter().filter_map(|capture| capture.value.as_ref()).map(Bytes::len).sum();
                total(lines) + matched.len() + captured
            }
            Self::Flushed { lines, .. } => total(lines),
        }
    }

    /// Whether it carries no payload byte. An empty line is such content, and is delivered all the same.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for LineLimits {
    fn default() -> Self {
        Self { line_bytes: 64 << 10, held_lines: 4096, held_bytes: 256 << 10 }
    }
}

fn total(lines: &[Bytes]) -> usize {
    lines.iter().map(Bytes::len).sum()
}
