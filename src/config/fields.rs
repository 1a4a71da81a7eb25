//! Reading the fields of one declaration. Only their types are judged here; what the values mean is judged where requests are.

use std::collections::BTreeSet;

use toml::de::{DeTable, DeValue};

use super::{
    document::{Document, kind, whole_number},
    fault::{Fault, Origin, did_you_mean},
};
use crate::error::Violation;

/// The fields of one declaration, or of a table inside it.
pub(super) struct Fields<'a> {
    /// What faults call it: "tcp_listen".
    path: String,
    document: &'a Document,
    table: &'a DeTable<'a>,
    /// Where it begins: for what is missing.
    start: Origin,
    asked: BTreeSet<&'static str>,
    faults: Vec<Fault>,
    /// Fields with a fault: what else is found out about them is a consequence.
    bad: BTreeSet<String>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(path: String, document: &'a Document, table: &'a DeTable<'a>, start: Origin) -> Self {
        Self { path, document, table, start, asked: BTreeSet::new(), faults: Vec::new(), bad: BTreeSet::new() }
    }

    /// Where the declaration begins.
    pub(super) fn start(&self) -> &Origin {
        &self.start
    }

    /// Where a field is, or would be.
    pub(super) fn origin(&self, field: &str) -> Origin {
        self.table.get_key_value(field).map_or_else(|| self.start.clone(), |(key, _)| self.document.origin(&key.span()))
    }

    pub(super) fn fault(&mut self, field: &str, message: impl std::fmt::Display) {
        let origin = self.origin(field);
        self.fault_at(origin, field, message);
    }

    fn fault_at(&mut self, origin: Origin, field: &str, message: impl std::fmt::Display) {
        self.faults.push(Fault { origin, message: format!("{}.{field}: {message}", self.path) });
        self.bad.insert(field.to_owned());
    }

    /// Whether a field is free of faults so far.
    pub(super) fn is_good(&self, field: &str) -> bool {
        !self.bad.contains(field)
    }

    fn value(&mut self, field: &'static str) -> Option<&'a DeValue<'a>> {
        self.asked.insert(field);
        self.table.get(field).map(toml::Spanned::get_ref)
    }

    fn typed<T>(&mut self, field: &'static str, expected: &str, read: impl Fn(&DeValue<'a>) -> Option<T>) -> Option<T> {
        let value = self.value(field)?;
        let found = read(value);
        if found.is_none() {
            self.fault(field, format_args!("must be {expected}, not {}", kind(value)));
        }
        found
    }

    /// Text; empty where absent.
    pub(super) fn text(&mut self, field: &'static str) -> String {
        self.typed(field, "text", |value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Text that has to be there.
    pub(super) fn required_text(&mut self, field: &'static str, why: &str) -> String {
        let text = self.text(field);
        if text.is_empty() && self.is_good(field) {
            self.fault(field, format_args!("is required: {why}"));
        }
        text
    }

    /// A whole number, 0 or more; None where absent.
    pub(super) fn number(&mut self, field: &'static str) -> Option<usize> {
        let value = self.value(field)?;
        match whole_number(value).map(usize::try_from) {
            Some(Ok(number)) => return Some(number),
            Some(Err(_)) => self.fault(field, "is less than 0"),
            None => self.fault(field, format_args!("must be a whole number, not {}", kind(value))),
        }
        None
    }

    pub(super) fn flag(&mut self, field: &'static str) -> Option<bool> {
        self.typed(field, "true or false", DeValue::as_bool)
    }

    /// A port that has to be there: one that is left out must not become any port.
    pub(super) fn port(&mut self, field: &'static str, example: &str) -> u32 {
        let Some(value) = self.value(field) else {
            self.fault(field, format_args!("is required: {example}"));
            return 0;
        };
        match whole_number(value).map(u32::try_from) {
            Some(Ok(port)) => return port,
            Some(Err(_)) => self.fault(field, "is no port: 0 to 65535"),
            None => self.fault(field, format_args!("must be a port, not {}", kind(value))),
        }
        0
    }

    /// A time with its unit.
    pub(super) fn time(&mut self, field: &'static str) -> Option<prost_types::Duration> {
        let text =
            self.typed(field, "a time with its unit, like \"10s\"", |value| value.as_str().map(str::to_owned))?;
        let time = humantime::parse_duration(&text).ok().and_then(|time| time.try_into().ok());
        if time.is_none() {
            self.fault(field, format_args!("\"{text}\" is no time with its unit, like \"10s\" or \"5min\""));
        }
        time
    }

    /// One of a few words; 0, which stands for "unspecified", where absent.
    pub(super) fn choice(&mut self, field: &'static str, words: &[(&'static str, i32)]) -> i32 {
        let text = self.text(field);
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => *value,
            None => {
                if self.table.contains_key(field) && self.is_good(field) {
                    let known: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                    self.fault(field, format_args!("\"{text}\" must be {}", known.join(" or ")));
                }
                0
            }
        }
    }

    /// One value, or the values of a list.
    pub(super) fn one_or_list<T>(
        &mut self,
        field: &'static str,
        read: impl Fn(&DeValue<'a>) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let value = self.value(field)?;
        if value.is_array() {
            return self.list(field, read);
        }
        match read(value) {
            Ok(one) => Some(vec![one]),
            Err(message) => {
                self.fault(field, message);
                None
            }
        }
    }

    /// The values of a list, each read on its own; None where there is no list.
    pub(super) fn list<T>(
        &mut self,
        field: &'static str,
        read: impl Fn(&DeValue<'a>) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let value = self.value(field)?;
        let Some(array) = value.as_array() else {
            self.fault(field, format_args!("must be a list, in brackets, not {}", kind(value)));
            return None;
        };
        let mut found = Vec::new();
        for (at, element) in array.iter().enumerate() {
            match read(element.get_ref()) {
                Ok(value) => found.push(value),
                Err(message) => {
                    let origin = self.document.origin(&element.span());
                    self.fault_at(origin, &format!("{field}[{at}]"), message);
                    self.bad.insert(field.to_owned());
                }
            }
        }
        Some(found)
    }

    /// Tables in a list, each with its own fields.
    pub(super) fn tables<T>(&mut self, field: &'static str, mut read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let Some(value) = self.value(field) else { return Vec::new() };
        let Some(array) = value.as_array() else {
            self.fault(field, format_args!("must be a list of tables, not {}", kind(value)));
            return Vec::new();
        };
        let mut found = Vec::new();
        for (at, element) in array.iter().enumerate() {
            let origin = self.document.origin(&element.span());
            let path = format!("{field}[{at}]");
            let Some(table) = element.get_ref().as_table() else {
                self.fault_at(origin, &path, format_args!("must be a table, not {}", kind(element.get_ref())));
                continue;
            };
            let mut inner = Self::new(format!("{}.{path}", self.path), self.document, table, origin);
            found.push(read(&mut inner));
            let faults = inner.finish();
            if !faults.is_empty() {
                self.bad.insert(path);
            }
            self.faults.extend(faults);
        }
        found
    }

    /// Takes over what is wrong with the request made from the fields, unless it is a consequence of what is known.
    pub(super) fn take_over(&mut self, violations: &[Violation]) {
        for Violation { field, description } in violations {
            let (outer, index) = match field.split_once('[') {
                Some((outer, rest)) => (outer, rest.split(']').next().and_then(|index| index.parse::<usize>().ok())),
                None => (field.as_str(), None),
            };
            if !self.is_good(field) || !self.is_good(outer) {
                continue;
            }
            let element = index.and_then(|index| self.table.get(outer)?.get_ref().as_array()?.get(index));
            let origin = element.map_or_else(|| self.origin(outer), |element| self.document.origin(&element.span()));
            self.faults.push(Fault { origin, message: format!("{}.{field}: {description}", self.path) });
        }
    }

    /// Everything found, unknown fields included.
    pub(super) fn finish(mut self) -> Vec<Fault> {
        for (name, _) in self.table {
            if !self.asked.contains(name.get_ref().as_ref()) {
                let hint = did_you_mean(name.get_ref(), self.asked.iter().copied());
                let message = format!("{}.{}: no such field{hint}", self.path, name.get_ref());
                self.faults.push(Fault { origin: self.document.origin(&name.span()), message });
            }
        }
        self.faults
    }
}

/// Calls back with each table of a list of tables, `key` in `table`, and its place in the list; `name` is what faults call it.
pub(super) fn each_table<'a>(
    document: &'a Document,
    table: &'a DeTable<'a>,
    key: &str,
    name: &str,
    faults: &mut Vec<Fault>,
    mut read: impl FnMut(&mut Fields<'a>, usize),
) {
    let Some((key, value)) = table.get_key_value(key) else { return };
    let Some(array) = value.get_ref().as_array() else {
        let message = format!("{name}: is a list: write [[{name}]], not [{name}]");
        faults.push(Fault { origin: document.origin(&key.span()), message });
        return;
    };
    for (at, element) in array.iter().enumerate() {
        let origin = document.origin(&element.span());
        let Some(table) = element.get_ref().as_table() else {
            let message = format!("{name}: must be a table, not {}", kind(element.get_ref()));
            faults.push(Fault { origin, message });
            continue;
        };
        let mut fields = Fields::new(name.to_owned(), document, table, origin);
        read(&mut fields, at);
        faults.extend(fields.finish());
    }
}
