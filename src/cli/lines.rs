//! How a log line is written: the fields of its spans are fields of the line, and nothing in them leaves it.

use std::fmt::{self, Debug, Write as _};

use chrono::{SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value, ser::Serializer};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    field::MakeExt,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::{JsonFields, Writer, debug_fn},
    },
    registry::LookupSpan,
};

use crate::audit::Ascii;

/// One JSON object a line, in ASCII: time, level, message, the event's own fields, then those of the spans it is in (a session's id,
/// subscriber and identity), the innermost first to have a name.
pub(super) struct JsonLines;

impl<S> FormatEvent<S, JsonFields> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        for span in ctx.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let recorded = extensions.get::<FormattedFields<JsonFields>>();
            if let Some(Ok(Value::Object(of_span))) = recorded.map(|recorded| serde_json::from_str(recorded)) {
                for (name, value) in of_span {
                    fields.0.entry(name).or_insert(value);
                }
            }
        }
        let metadata = event.metadata();
        let line = Line {
            timestamp: Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true),
            level: metadata.level().as_str(),
            message: fields.0.remove("message"),
            fields: fields.0,
            target: metadata.target(),
        };
        let mut text = Vec::with_capacity(256);
        line.serialize(&mut Serializer::with_formatter(&mut text, Ascii)).map_err(|_| fmt::Error)?;
        writer.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)?;
        writer.write_char('\n')
    }
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Value>,
    #[serde(flatten)]
    fields: Map<String, Value>,
    target: &'a str,
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}"));
    }
}

/// Fields for people: control characters of callers and peers are shown, not obeyed.
pub(super) fn human_fields() -> impl for<'w> FormatFields<'w> + 'static {
    debug_fn(|writer: &mut Writer<'_>, field: &Field, value: &dyn Debug| match field.name() {
        "message" => write!(writer, "{}", Shown(value)),
        name => write!(writer, "{name}={}", Shown(value)),
    })
    .delimited(" ")
}

struct Shown<'a>(&'a dyn Debug);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{:?}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => write!(self.0, "{}", character.escape_unicode())?,
                control if control.is_control() => write!(self.0, "{}", control.escape_default())?,
                plain => self.0.write_char(plain)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::{fmt::MakeWriter, layer::SubscriberExt};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("whole").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Memory {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    const HOSTILE: &str = "x\ny\u{1b}[31m\u{2028}{\"level\":\"ERROR\"}\u{9b}";

    fn log() {
        let session = tracing::error_span!("session", session = %HOSTILE, subscriber = "me", number = 7);
        session.in_scope(|| tracing::info!(number = 8, reason = %HOSTILE, "what {HOSTILE} was"));
    }

    fn written(memory: &Memory) -> String {
        String::from_utf8(memory.0.lock().expect("whole").clone()).expect("text")
    }

    #[test]
    fn a_json_line_carries_the_fields_of_its_span_and_hostile_values_stay_inside() {
        let memory = Memory::default();
        let lines = tracing_subscriber::fmt::layer().json().event_format(JsonLines).with_writer(memory.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), log);
        let text = written(&memory);
        assert!(text.ends_with('\n') && text.trim_end().bytes().all(|byte| (b' '..b'\x7f').contains(&byte)), "{text}");
        let line: Value = serde_json::from_str(&text).expect("one object");
        assert_eq!((&line["session"], &line["reason"]), (&HOSTILE.into(), &HOSTILE.into()));
        assert_eq!((&line["subscriber"], &line["number"], &line["level"]), (&"me".into(), &8.into(), &"INFO".into()));
        assert_eq!(line["message"], format!("what {HOSTILE} was"));
    }

    #[test]
    fn a_line_for_people_is_one_line_and_moves_no_cursor() {
        let memory = Memory::default();
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).fmt_fields(human_fields());
        let lines = lines.with_writer(memory.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), log);
        let text = written(&memory);
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(!text.trim_end().contains(|c: char| c.is_control() || c == '\u{2028}'), "{text}");
        assert!(text.contains("session=x\\ny\\u{1b}[31m\\u{2028}"), "{text}");
    }
}
