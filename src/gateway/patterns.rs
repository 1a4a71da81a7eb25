//! Compiled patterns, kept: the same few are used over and over, and compiling one takes up to milliseconds.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{
    error::{Error, Reason},
    framing::{PatternError, PatternLimits, WaitFor},
};

/// Patterns kept. At most this many times `limits.pattern_compiled_bytes` of memory, and a few times that for caches in use.
const KEPT: usize = 256;

#[derive(Default)]
pub(super) struct Patterns {
    kept: Mutex<HashMap<String, WaitFor>>,
}

impl Patterns {
    /// Compiles a pattern off the async threads, or finds it compiled.
    pub(super) async fn compile(&self, text: &str, limits: PatternLimits) -> Result<WaitFor, Error> {
        if let Some(pattern) = self.kept().get(text) {
            return Ok(pattern.clone());
        }
        let owned = text.to_owned();
        let compiled = tokio::task::spawn_blocking(move || WaitFor::compile(&owned, &limits)).await;
        let pattern = compiled
            .map_err(|_| Error::new(Reason::Internal, "compiling the pattern failed; please report it"))?
            .map_err(|error| refusal(&error))?;
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            // Rare, and cheaper than bookkeeping on every use: those still in use are compiled once more.
            kept.clear();
        }
        kept.insert(text.to_owned(), pattern.clone());
        Ok(pattern)
    }

    /// Lets all of them go: they were compiled under other limits.
    pub(super) fn forget(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<String, WaitFor>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(error: &PatternError) -> Error {
    let refused = Error::new(Reason::WaitForInvalid, format!("wait_for: {error}"));
    match error {
        PatternError::TooLong { limit, .. } => refused.with("limit", "pattern_bytes").with("value", limit),
        PatternError::TooLarge { limit } => refused.with("limit", "pattern_compiled_bytes").with("value", limit),
        PatternError::Invalid(_) => refused,
    }
}
