//! Patterns that a claim waits for.
//!
//! A pattern is a regular expression of the `regex` crate, with Unicode on and matched against bytes, so that a line that is not
//! UTF-8 can match too. It comes from a client: its length, its nesting and what it compiles to are bounded. Matching takes
//! time in proportion to the pattern's size times the text's length at worst; there is no backtracking that explodes.
//!
//! Compiling may take some milliseconds for a pattern at its limits: callers do it off the hot path, once per claim.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use regex::bytes::{Regex, RegexBuilder};

use super::Capture;
use super::rest_scan::{RestAutomaton, RestScan};

/// A compiled pattern; a clone shares it.
#[derive(Clone)]
pub struct WaitFor(Arc<Compiled>);

struct Compiled {
    regex: Regex,
    /// The names of the groups from the first on; the whole match, which is group 0, is not reported.
    group_names: Vec<Option<Arc<str>>>,
    /// `None` where the pattern is too large for one: the rest is rescanned then, within the bounds of `rest_scan`.
    automaton: Option<RestAutomaton>,
}

/// Bounds of one pattern.
#[derive(Debug, Clone, Copy)]
pub struct PatternLimits {
    /// Its length.
    pub pattern_bytes: usize,
    /// What it compiles to. Each pattern holds a few programs of at most this size, and each thread that matches it at the
    /// same time a few caches of at most this size. Unicode classes are large: the default admits `\w{5}` but not `\w{10}`,
    /// while the ASCII `(?-u:\w{500})` is well within it.
    pub compiled_bytes: usize,
    /// How deep groups and repetitions nest.
    pub nest: u32,
}

/// Why a pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The pattern's text is too long.
    #[error("the pattern is {len} bytes long, the limit is {limit}")]
    TooLong {
        /// [`PatternLimits::pattern_bytes`].
        limit: usize,
        /// Its length.
        len: usize,
    },
    /// It is no regular expression, or nests too deep.
    #[error("the pattern is not valid: {0}")]
    Invalid(String),
    /// It compiles to too much.
    #[error("the pattern needs more than {limit} bytes when compiled")]
    TooLarge {
        /// [`PatternLimits::compiled_bytes`].
        limit: usize,
    },
}

/// One claim's progress in matching the unfinished rest of one stream.
///
/// It knows by their position which bytes it has seen, so it may miss any of the framer's calls; but it belongs to one framer.
pub struct WaitState {
    pattern: WaitFor,
    scan: RestScan,
}

impl WaitFor {
    /// Compiles a pattern.
    ///
    /// # Errors
    ///
    /// The pattern is not valid or exceeds `limits`.
    pub fn compile(pattern: &str, limits: &PatternLimits) -> Result<Self, PatternError> {
        if pattern.len() > limits.pattern_bytes {
            return Err(PatternError::TooLong { limit: limits.pattern_bytes, len: pattern.len() });
        }
        let regex = RegexBuilder::new(pattern)
            .nest_limit(limits.nest)
            .size_limit(limits.compiled_bytes)
            .dfa_size_limit(limits.compiled_bytes)
            .build()
            .map_err(|error| refusal(error, limits))?;
        let group_names = regex.capture_names().skip(1).map(|name| name.map(Arc::from)).collect();
        let automaton = RestAutomaton::build(pattern, limits);
        Ok(Self(Arc::new(Compiled { regex, group_names, automaton })))
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        self.0.regex.as_str()
    }

    /// The state of a claim that waits for this pattern from now on.
    pub fn new_state(&self) -> WaitState {
        WaitState { pattern: self.clone(), scan: RestScan::default() }
    }
}

impl fmt::Debug for WaitFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WaitFor").field(&self.as_str()).finish()
    }
}

impl Default for PatternLimits {
    fn default() -> Self {
        Self { pattern_bytes: 4 << 10, compiled_bytes: 256 << 10, nest: 50 }
    }
}

impl WaitState {
    /// What the groups captured, if the pattern matches this line.
    pub fn match_line(&self, line: &Bytes) -> Option<Vec<Capture>> {
        let Compiled { regex, group_names, .. } = &*self.pattern.0;
        // Most lines do not match, and this question allocates nothing.
        if !regex.is_match(line) {
            return None;
        }
        let groups = regex.captures(line)?;
        let values = groups.iter().skip(1).map(|group| group.map(|group| line.slice(group.range())));
        Some(group_names.iter().cloned().zip(values).map(|(name, value)| Capture { name, value }).collect())
    }

    /// Whether the pattern matches the unfinished rest, which begins at this position of the stream.
    pub(super) fn rest_matches(&mut self, starts_at: u64, rest: &[u8]) -> bool {
        let Compiled { regex, automaton, .. } = &*self.pattern.0;
        self.scan.matches(regex, automaton.as_ref(), starts_at, rest)
    }

    /// How many bytes of unfinished rests were read, those read again included.
    #[cfg(test)]
    pub(super) fn work(&self) -> usize {
        self.scan.work
    }

    #[cfg(test)]
    pub(super) fn holds_cache(&self) -> bool {
        self.scan.holds_cache()
    }
}

/// The regex crate draws the place of a fault with several lines; the last says what is wrong and fits in a sentence.
fn refusal(error: regex::Error, limits: &PatternLimits) -> PatternError {
    match error {
        regex::Error::CompiledTooBig(_) => PatternError::TooLarge { limit: limits.compiled_bytes },
        error => {
            let message = error.to_string();
            let last = message.lines().last().unwrap_or_default();
            PatternError::Invalid(last.strip_prefix("error: ").unwrap_or(last).to_owned())
        }
    }
}
