//! From what was given, layer upon layer, to a checked configuration: each value by itself, then those that depend on each other.

use http::Uri;
use toml::{Table, Value};
use tracing_subscriber::EnvFilter;

use super::{
    Config,
    fault::{Fault, Origin},
    setting::{Rule, Setting},
    settings::values,
};

/// What was given, in the order of the sources. The last word on a setting counts; a fault counts even where it is replaced.
#[derive(Default)]
pub(super) struct Layers {
    given: Vec<(&'static Setting, Value, Origin)>,
}

impl Layers {
    pub(super) fn give(&mut self, setting: &'static Setting, value: Value, origin: Origin) {
        self.given.push((setting, value, origin));
    }

    /// A value that came as text, from the environment or a flag.
    pub(super) fn give_text(&mut self, setting: &'static Setting, text: &str, origin: Origin) {
        let value = match (setting.rule, text.parse::<i64>()) {
            (Rule::Number { .. }, Ok(number)) => Value::Integer(number),
            (Rule::Flag, _) if text == "true" || text == "false" => Value::Boolean(text == "true"),
            (Rule::Ratio, _) => text.parse().map_or_else(|_| Value::String(text.to_owned()), Value::Float),
            _ => Value::String(text.to_owned()),
        };
        self.give(setting, value, origin);
    }

    /// Where a setting was given last.
    pub(super) fn origin(&self, key: &str) -> Option<&Origin> {
        self.given.iter().rev().find(|(setting, ..)| setting.key == key).map(|(.., origin)| origin)
    }

    /// The configuration. A value at fault leaves its default in place, so that the rest can be checked.
    pub(super) fn settle(&self, faults: &mut Vec<Fault>) -> Config {
        let mut config = Config::default();
        let mut table = Table::try_from(&config).expect("a configuration is made of plain values");
        for (Setting { key, rule, .. }, value, origin) in &self.given {
            let mut attempt = table.clone();
            put(&mut attempt, key, value.clone());
            let settled = check(*rule, value).and_then(|()| {
                attempt.clone().try_into::<Config>().map_err(|error| unfit(*rule, value, error.message()))
            });
            match settled {
                Ok(settled) => (config, table) = (settled, attempt),
                Err(message) => faults.push(Fault { origin: origin.clone(), message: format!("{key}: {message}") }),
            }
        }
        self.check_relations(&config, faults);
        config
    }

    fn check_relations(&self, config: &Config, faults: &mut Vec<Fault>) {
        // Smaller, larger, and whether they may be equal.
        const RELATIONS: [(&str, &str, bool); 3] = [
            ("limits.full_backlog_read_bytes", "limits.session_backlog_bytes", true),
            ("limits.session_backlog_bytes", "limits.subscriber_backlog_bytes", true),
            ("limits.payload_bytes", "limits.grpc_message_bytes", false),
        ];
        let values = values(config);
        let number = |key: &str| values[key].as_integer().unwrap_or_default();
        for (smaller, larger, equal) in RELATIONS {
            let (low, high) = (number(smaller), number(larger));
            // The defaults are in order, so one of the two was given.
            let Some(origin) = self.origin(smaller).or_else(|| self.origin(larger)) else { continue };
            if low > high || (low == high && !equal) {
                let at_most = if equal { "at most" } else { "less than" };
                faults.push(Fault {
                    origin: origin.clone(),
                    message: format!("{smaller}: {low} must be {at_most} {larger}, which is {high}"),
                });
            }
        }
    }
}

/// What a rule says of a value, where it is of the right type.
fn check(rule: Rule, value: &Value) -> Result<(), String> {
    match (rule, value) {
        (Rule::Number { zero: false, .. }, Value::Integer(0)) => Err("must be at least 1".to_owned()),
        (Rule::Number { most, .. }, Value::Integer(number)) if *number > most => Err(format!("must be at most {most}")),
        (Rule::Time { zero, most }, Value::String(text)) => match humantime::parse_duration(text) {
            Ok(time) if time.is_zero() && !zero => Err("must be longer than 0s".to_owned()),
            Ok(time) if time > most => Err(format!("\"{text}\" is longer than {}", humantime::format_duration(most))),
            _ => Ok(()),
        },
        (Rule::Ratio, Value::Float(ratio)) if !(0.0..=1.0).contains(ratio) => {
            Err(format!("{ratio} is not between 0 and 1"))
        }
        (Rule::Ratio, Value::Integer(number)) if !(0..=1).contains(number) => {
            Err(format!("{number} is not between 0 and 1"))
        }
        (Rule::UrlOrOff, Value::String(text)) if text != "off" => match text.parse::<Uri>() {
            Ok(url) if matches!(url.scheme_str(), Some("http" | "https")) => Ok(()),
            _ => Err(format!("\"{text}\" is neither \"off\" nor a URL like \"http://127.0.0.1:4317\"")),
        },
        (Rule::Filter, Value::String(text)) => EnvFilter::builder()
            .parse(text)
            .map(drop)
            .map_err(|error| format!("\"{text}\" does not say what to log, like \"info\": {error}")),
        _ => Ok(()),
    }
}

/// Why a value does not fit its setting.
fn unfit(rule: Rule, value: &Value, reason: &str) -> String {
    match rule {
        Rule::Number { .. } => match value {
            Value::Integer(number) if *number < 0 => format!("{number} is negative"),
            Value::Integer(number) => format!("{number} is too large"),
            other => format!("{other} is no whole number"),
        },
        Rule::Time { .. } => format!("{value} is no time with its unit, like \"10s\" or \"5min\""),
        Rule::AddressOrOff => {
            format!("{value} is neither \"off\" nor an address with its port, like \"127.0.0.1:9464\"")
        }
        Rule::Flag => format!("{value} is neither true nor false"),
        Rule::Address => format!("{value} is no address with its port, like \"127.0.0.1:50051\" or \"[::1]:50051\""),
        Rule::Ratio => format!("{value} is no number from 0 to 1, like 0.1"),
        Rule::UrlOrOff | Rule::Free | Rule::Filter => reason.to_owned(),
    }
}

/// Sets the value of a key.
pub(super) fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((head, rest)) => {
            if let Some(Value::Table(inner)) = table.get_mut(head) {
                put(inner, rest, value);
            }
        }
    }
}
