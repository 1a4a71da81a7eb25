//! Splits a byte stream into lines at "\r\n", "\n" and "\r".
//!
//! The lines do not depend on how the bytes are cut into chunks. A "\r" ends its line at once, even as the last byte of a
//! chunk: a peer that sends only "\r" would otherwise wait for ever. A "\n" that follows in the next chunk is swallowed.
//!
//! With a `wait_for`, lines are collected until one of them matches. The unfinished rest is tested at the end of every chunk,
//! so here the cut matters: that a prompt is complete can only be told from the pause after it. A rest that matches is
//! consumed and the bytes after it begin a new line; a line end directly after it therefore makes an empty line.
//!
//! Memory: neighbouring lines share one copy, of at most 4 KiB unless a single line is longer, so that a line that is kept for long
//! keeps little else alive. The rest has a buffer of its own, given away with the line it becomes part of: nothing is allocated
//! while nothing is held.

use std::mem;

use bytes::{Buf, Bytes};
use memchr::{memchr2, memchr2_iter, memrchr2};

use super::wait_for::WaitState;
use super::{Capture, Content, Frame, LineLimits, LineTooLong};

/// How much neighbouring lines may share one copy of.
const SHARED_COPY_BYTES: usize = 4 * 1024;

/// Turns chunks into lines. See the module's documentation.
pub struct LineFramer {
    limits: LineLimits,
    /// How many bytes of the stream were taken in. The rest is always the last of them.
    received: u64,
    /// How many of them the frames handed out account for.
    accounted: u64,
    /// The last byte was a "\r", so that a "\n" now belongs to the line it ended.
    swallow_newline: bool,
    /// The beginning of a line whose end has not come yet.
    rest: Vec<u8>,
    collected: Collected,
}

/// Lines that wait for a match.
#[derive(Default)]
struct Collected {
    lines: Vec<Bytes>,
    bytes: usize,
    /// The position after the line end of the last of them.
    end: u64,
}

impl LineFramer {
    /// A framer at the start of its stream.
    pub fn new(limits: LineLimits) -> Self {
        Self {
            limits,
            received: 0,
            accounted: 0,
            swallow_newline: false,
            rest: Vec::new(),
            collected: Collected::default(),
        }
    }

    /// Feeds bytes and appends the frames they finish to `out`, about `most` of them; returns how many bytes it took in. The caller
    /// feeds the others again when it has room for more frames.
    ///
    /// `wait_for` is the state of the claim in force and may be another one with each call; without one, lines collected
    /// before are flushed first. An empty chunk tests the unfinished rest against a `wait_for` that has not seen it; the rest
    /// is tested only by a call that takes all bytes in and has room for one more frame.
    ///
    /// # Errors
    ///
    /// [`LineTooLong`] as soon as a line exceeds its limit, for every cut of the same bytes (unless a `wait_for` consumed part
    /// of the line). The frames finished before it are in `out`. What was held stays held, with the beginning of the line up
    /// to the limit: [`finish`](Self::finish), the only call that makes sense now, returns it.
    pub fn push(
        &mut self,
        chunk: &[u8],
        wait_for: Option<&mut WaitState>,
        most: usize,
        out: &mut Vec<Frame>,
    ) -> Result<usize, LineTooLong> {
        let full = out.len().saturating_add(most);
        if wait_for.is_none() {
            out.extend(self.flush_collected());
        }
        let mut taken = 0;
        while taken < chunk.len() && out.len() < full {
            let piece = first_lines(&chunk[taken..], full - out.len());
            self.push_piece(piece, wait_for.as_deref(), out)?;
            taken += piece.len();
        }
        if let Some(wait_for) = wait_for
            && taken == chunk.len()
            && out.len() < full
        {
            out.extend(self.match_rest(wait_for));
        }
        Ok(taken)
    }

    fn push_piece(
        &mut self,
        piece: &[u8],
        wait_for: Option<&WaitState>,
        out: &mut Vec<Frame>,
    ) -> Result<(), LineTooLong> {
        let piece = self.swallow(piece);
        let (complete, unfinished) = piece.split_at(memrchr2(b'\r', b'\n', piece).map_or(0, |last| last + 1));
        self.split(complete, wait_for, out)?;
        self.swallow_newline |= unfinished.is_empty() && complete.last() == Some(&b'\r');
        self.hold(unfinished)
    }

    /// Hands over the lines collected for a `wait_for`, but not the unfinished rest: for when the claim moves. `None` when
    /// there are none.
    pub fn flush_collected(&mut self) -> Option<Frame> {
        if self.collected.lines.is_empty() {
            return None;
        }
        let Collected { lines, end, .. } = mem::take(&mut self.collected);
        Some(self.frame(end, Content::Flushed { lines, last_unfinished: false }))
    }

    /// Hands over all that is held, at the end of the stream: the collected lines and the unfinished rest. `None` when nothing
    /// is held.
    pub fn finish(&mut self) -> Option<Frame> {
        if self.rest.is_empty() {
            return self.flush_collected();
        }
        let Collected { mut lines, .. } = mem::take(&mut self.collected);
        lines.push(self.take_rest());
        Some(self.frame(self.received, Content::Flushed { lines, last_unfinished: true }))
    }

    /// The payload bytes of the collected lines and of the unfinished rest.
    pub fn held_bytes(&self) -> usize {
        self.collected.bytes + self.rest.len()
    }

    /// How many bytes of the stream the frames handed out so far account for.
    pub fn offset(&self) -> u64 {
        self.accounted
    }

    #[cfg(test)]
    pub(super) fn rest_capacity(&self) -> usize {
        self.rest.capacity()
    }

    /// Takes the "\n" off a chunk that completes a "\r\n".
    fn swallow<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        let Some(first) = chunk.first() else { return chunk };
        if mem::take(&mut self.swallow_newline) && *first == b'\n' {
            self.received += 1;
            return &chunk[1..];
        }
        chunk
    }

    /// Hands out the lines of a piece that ends with a line end.
    fn split(
        &mut self,
        mut complete: &[u8],
        wait_for: Option<&WaitState>,
        out: &mut Vec<Frame>,
    ) -> Result<(), LineTooLong> {
        if !self.rest.is_empty()
            && let Some((length, line_end)) = find_line_end(complete)
        {
            self.hold(&complete[..length])?;
            self.received += line_end as u64;
            let line = self.take_rest();
            out.extend(self.place(line, wait_for));
            complete = &complete[length + line_end..];
        }
        if complete.is_empty() {
            return Ok(());
        }
        let mut complete = Bytes::copy_from_slice(complete);
        while let Some((length, line_end)) = find_line_end(&complete) {
            if length > self.limits.line_bytes {
                break;
            }
            let line = complete.split_to(length);
            complete.advance(line_end);
            self.received += (length + line_end) as u64;
            out.extend(self.place(line, wait_for));
        }
        // Empty, unless a line is too long.
        self.hold(&complete)
    }

    /// Adds to the unfinished rest, up to the limit.
    fn hold(&mut self, bytes: &[u8]) -> Result<(), LineTooLong> {
        let limit = self.limits.line_bytes;
        let taken = bytes.len().min(limit - self.rest.len());
        self.rest.extend_from_slice(&bytes[..taken]);
        self.received += taken as u64;
        if taken < bytes.len() { Err(LineTooLong { limit }) } else { Ok(()) }
    }

    fn take_rest(&mut self) -> Bytes {
        Bytes::from(mem::take(&mut self.rest))
    }

    /// Decides what becomes of the line that ended just now: it is delivered, completes a match or is collected.
    fn place(&mut self, line: Bytes, wait_for: Option<&WaitState>) -> Option<Frame> {
        let Some(wait_for) = wait_for else { return Some(self.frame(self.received, Content::Line(line))) };
        if let Some(captures) = wait_for.match_line(&line) {
            return Some(self.matched(line, captures));
        }
        self.collected.bytes += line.len();
        self.collected.lines.push(line);
        self.collected.end = self.received;
        let over = self.collected.lines.len() > self.limits.held_lines || self.collected.bytes > self.limits.held_bytes;
        if over { self.flush_collected() } else { None }
    }

    fn match_rest(&mut self, wait_for: &mut WaitState) -> Option<Frame> {
        let starts_at = self.received - self.rest.len() as u64;
        if !wait_for.rest_matches(starts_at, &self.rest) {
            return None;
        }
        let matched = Bytes::copy_from_slice(&self.rest);
        let captures = wait_for.match_line(&matched)?;
        self.rest = Vec::new();
        Some(self.matched(matched, captures))
    }

    fn matched(&mut self, matched: Bytes, captures: Vec<Capture>) -> Frame {
        let Collected { lines, .. } = mem::take(&mut self.collected);
        self.frame(self.received, Content::Match { lines, matched, captures })
    }

    fn frame(&mut self, next_offset: u64, content: Content) -> Frame {
        let offset = mem::replace(&mut self.accounted, next_offset);
        Frame { offset, next_offset, content }
    }
}

/// How long the first line is, and its line end.
fn find_line_end(bytes: &[u8]) -> Option<(usize, usize)> {
    let length = memchr2(b'\r', b'\n', bytes)?;
    let line_end = if bytes[length..].starts_with(b"\r\n") { 2 } else { 1 };
    Some((length, line_end))
}

/// The bytes up to a line end: the `most`th, or the last of those that may share a copy. All of them where no line ends.
fn first_lines(bytes: &[u8], most: usize) -> &[u8] {
    let window = &bytes[..bytes.len().min(SHARED_COPY_BYTES)];
    let last = memchr2_iter(b'\r', b'\n', window).take(most).last();
    match last.or_else(|| memchr2(b'\r', b'\n', bytes)) {
        // Both bytes of a "\r\n", so that the line's frame accounts for its whole end.
        Some(end) if bytes[end..].starts_with(b"\r\n") => &bytes[..end + 2],
        Some(end) => &bytes[..=end],
        None => bytes,
    }
}
