//! Tests the unfinished rest of a line against a pattern with every chunk that makes it longer, without reading it again from
//! its start.
//!
//! A lazy DFA reads each byte once and keeps its state between chunks; only its verdict matters here, the captures come from
//! the regex afterwards. It gives up in two cases: the pattern holds a Unicode word boundary and the rest is not ASCII, or the
//! pattern is too large for a cache (none is within the default limits). Then the regex reads again, under a budget: each
//! chunk with the [`TAIL`] bytes before it, and everything whenever the rest has grown by a quarter. What that can miss is a
//! match that begins more than [`TAIL`] bytes before the chunk: it is found when the rest has grown by a quarter or its line
//! ends, whichever comes first.
//!
//! Memory: a session holds a cache of at most [`CACHE_BYTES`] while it has an unfinished rest that its pattern may yet match,
//! and hands it back after; one spare per pattern stays warm. Common patterns fill a few KiB of it.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use regex::bytes::Regex;
use regex_automata::Input;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::syntax;

use super::wait_for::PatternLimits;

/// The bound of one DFA cache. It is a bound and no reserve: a cache starts with what the pattern needs and grows with the
/// states met.
const CACHE_BYTES: usize = 128 << 10;

/// How far back a rescan reads without being charged to the budget. Prompts are shorter.
pub(super) const TAIL: usize = 256;

/// The lazy DFA of one pattern.
pub(super) struct RestAutomaton {
    dfa: DFA,
    /// Filling a cache costs more than scanning a short rest, so the last one is kept for the next session in need. Locked
    /// only for the moment of taking it out or putting it back.
    spare: Mutex<Option<Box<Cache>>>,
}

/// How far one unfinished rest has been scanned, and with what result.
#[derive(Default)]
pub(super) struct RestScan {
    /// Where in the stream the rest begins. That identifies it.
    starts_at: u64,
    scanned: usize,
    progress: Progress,
    /// Bytes read, those read again included.
    #[cfg(test)]
    pub(super) work: usize,
}

#[derive(Default)]
enum Progress {
    #[default]
    Unscanned,
    /// The DFA has read all that was scanned and is in this state.
    Stepping { cache: Box<Cache>, state: LazyStateID },
    /// Whatever follows, this rest cannot match.
    Hopeless,
    /// The DFA gave up. `complete_at` is how long the rest was when the regex last read all of it.
    Rescanning { complete_at: usize },
}

enum Verdict {
    Match,
    NotYet,
    Never,
    GaveUp,
}

impl RestAutomaton {
    /// `None` where the pattern is too large. The pattern has passed the regex crate, so nothing else is wrong with it.
    pub(super) fn build(pattern: &str, limits: &PatternLimits) -> Option<Self> {
        let dfa = DFA::builder()
            .syntax(syntax::Config::new().utf8(false).nest_limit(limits.nest))
            .thompson(
                thompson::Config::new()
                    .utf8(false)
                    .nfa_size_limit(Some(limits.compiled_bytes))
                    .which_captures(WhichCaptures::None),
            )
            .configure(DFA::config().unicode_word_boundary(true).cache_capacity(CACHE_BYTES))
            .build(pattern)
            .ok()?;
        Some(Self { dfa, spare: Mutex::new(None) })
    }

    fn begin(&self) -> Progress {
        let spare = self.spare().take();
        let mut cache = spare.unwrap_or_else(|| Box::new(self.dfa.create_cache()));
        match self.dfa.start_state_forward(&mut cache, &Input::new(b"")) {
            Ok(state) => Progress::Stepping { cache, state },
            Err(_) => Progress::Rescanning { complete_at: 0 },
        }
    }

    /// Reads on, then asks whether the text could end here with a match.
    fn step(&self, cache: &mut Cache, state: &mut LazyStateID, bytes: &[u8]) -> Verdict {
        for &byte in bytes {
            let Ok(next) = self.dfa.next_state(cache, *state, byte) else { return Verdict::GaveUp };
            *state = next;
            if next.is_match() {
                return Verdict::Match;
            } else if next.is_dead() {
                return Verdict::Never;
            } else if next.is_quit() {
                return Verdict::GaveUp;
            }
        }
        let clear_count = cache.clear_count();
        match self.dfa.next_eoi_state(cache, *state) {
            Ok(end) if end.is_match() => Verdict::Match,
            // Had the question emptied the cache, the state to go on from would be gone.
            Ok(_) if cache.clear_count() == clear_count => Verdict::NotYet,
            _ => Verdict::GaveUp,
        }
    }

    fn spare(&self) -> MutexGuard<'_, Option<Box<Cache>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RestScan {
    /// Whether the pattern matches `rest`, of which the bytes scanned before are a prefix if it starts where it did.
    ///
    /// An empty rest does not match: it is the absence of a line. After a match the next rest is another one.
    pub(super) fn matches(
        &mut self,
        regex: &Regex,
        automaton: Option<&RestAutomaton>,
        starts_at: u64,
        rest: &[u8],
    ) -> bool {
        if starts_at != self.starts_at || rest.len() < self.scanned {
            self.scanned = 0;
            self.enter(Progress::Unscanned, automaton);
            self.starts_at = starts_at;
        }
        if rest.len() == self.scanned {
            return false;
        }
        let matched = self.advance(regex, automaton, rest);
        self.scanned = rest.len();
        if matched {
            self.enter(Progress::Hopeless, automaton);
        }
        matched
    }

    fn advance(&mut self, regex: &Regex, automaton: Option<&RestAutomaton>, rest: &[u8]) -> bool {
        if matches!(self.progress, Progress::Unscanned) {
            self.progress = automaton.map_or(Progress::Rescanning { complete_at: 0 }, RestAutomaton::begin);
        }
        if let (Progress::Stepping { cache, state }, Some(automaton)) = (&mut self.progress, automaton) {
            let unread = &rest[self.scanned..];
            let verdict = automaton.step(cache, state, unread);
            #[cfg(test)]
            self.count(unread.len());
            match verdict {
                Verdict::Match => return true,
                Verdict::NotYet => return false,
                Verdict::Never => self.enter(Progress::Hopeless, Some(automaton)),
                Verdict::GaveUp => self.enter(Progress::Rescanning { complete_at: 0 }, Some(automaton)),
            }
        }
        match &mut self.progress {
            Progress::Rescanning { complete_at } => {
                let due = rest.len() <= TAIL || rest.len() >= *complete_at + *complete_at / 4;
                let from = if due { 0 } else { self.scanned.saturating_sub(TAIL) };
                if due {
                    *complete_at = rest.len();
                }
                #[cfg(test)]
                self.count(rest.len() - from);
                regex.is_match_at(rest, from)
            }
            _ => false,
        }
    }

    /// Changes the progress and hands back the cache that it leaves behind.
    fn enter(&mut self, progress: Progress, automaton: Option<&RestAutomaton>) {
        let left = mem::replace(&mut self.progress, progress);
        if let (Progress::Stepping { cache, .. }, Some(automaton)) = (left, automaton) {
            *automaton.spare() = Some(cache);
        }
    }

    #[cfg(test)]
    pub(super) fn holds_cache(&self) -> bool {
        matches!(self.progress, Progress::Stepping { .. })
    }

    #[cfg(test)]
    fn count(&mut self, bytes: usize) {
        self.work += bytes;
    }
}
