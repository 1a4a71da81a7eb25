//! A TOML file with its lines: every value read from it can be told by `FILE:LINE`.

use std::{fs, ops::Range, path::Path, sync::Arc};

use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Origin};
use crate::error::io_sentence;

/// A file's text and its path, as it was named.
pub(super) struct Document {
    path: Arc<Path>,
    text: String,
}

impl Document {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, Fault> {
        let path: Arc<Path> = path.into();
        let bytes = fs::read(&path).map_err(|error| Fault {
            origin: Origin::File(Arc::clone(&path)),
            message: format!("cannot be read: {}", io_sentence(&error)),
        })?;
        String::from_utf8(bytes).map(|text| Self { path: Arc::clone(&path), text }).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let line = line_of(&error.as_bytes()[..good]);
            Fault { origin: Origin::Line(path, line), message: "is not UTF-8 text".to_owned() }
        })
    }

    /// Parses the text. What is broken becomes faults, and the rest is read all the same.
    pub(super) fn parse(&self, faults: &mut Vec<Fault>) -> DeTable<'_> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        for error in errors {
            faults.push(Fault {
                origin: self.origin(&error.span().unwrap_or_default()),
                message: format!("this is no TOML: {}", error.message()),
            });
        }
        table.into_inner()
    }

    /// The line on which a part of the text begins.
    pub(super) fn origin(&self, span: &Range<usize>) -> Origin {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        Origin::Line(Arc::clone(&self.path), line_of(before))
    }
}

fn line_of(before: &[u8]) -> usize {
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// What a value is, for people.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A whole number; None where it is none, or does not fit.
pub(super) fn whole_number(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
