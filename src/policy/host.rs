//! Host names, and the patterns that rules name them by.

use std::fmt;

use crate::net::resolve::is_name;

/// Names by which the clouds' metadata services are known: never dialled, whatever they resolve to.
const METADATA_NAMES: [&str; 8] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.tencentyun.com",
    "metadata.packet.net",
    "metadata.platformequinix.com",
    "instance-data",
    "instance-data.ec2.internal",
];

/// A host name in the form in which it is compared: lower case, without the dot of the root.
pub fn canonical_name(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whether a name, in canonical form, is one of a metadata service.
pub(super) fn is_metadata_name(name: &str) -> bool {
    METADATA_NAMES.contains(&name)
}

/// What names a rule is about: one, or all below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This name.
    Exact(String),
    /// All names below this one, at any depth; not the name itself. Held with its leading dot.
    Below(String),
}

impl HostPattern {
    /// Reads "db.example.com" or "*.example.com".
    ///
    /// # Errors
    /// A sentence, where it is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if name.parse::<std::net::IpAddr>().is_ok() {
            return Err(format!("\"{text}\" is an address: rules name addresses in cidrs"));
        }
        if name.contains('*') {
            return Err(format!("\"{text}\" has a * in the wrong place: only \"*.\" at the start stands for anything"));
        }
        let name = canonical_name(name);
        if !is_name(&name) {
            return Err(format!("\"{text}\" is no host name: give one like \"db.example.com\" or \"*.example.com\""));
        }
        Ok(if below { Self::Below(format!(".{name}")) } else { Self::Exact(name) })
    }

    /// Whether it is about a name in canonical form.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            // The suffix has its dot, so that evilexample.com is not below example.com.
            Self::Below(suffix) => name.len() > suffix.len() && name.ends_with(suffix.as_str()),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_names_below_and_not_for_the_name_itself_or_its_neighbours() {
        let below = HostPattern::parse("*.Example.com.").expect("a pattern");
        assert!(below.matches("a.example.com") && below.matches("a.b.example.com"));
        for other in ["example.com", "evilexample.com", "example.com.evil.net", ".example.com"] {
            assert!(!below.matches(other), "{other}");
        }
        let exact = HostPattern::parse("DB.example.com").expect("a pattern");
        assert!(exact.matches(&canonical_name("db.EXAMPLE.com.")) && !exact.matches("x.db.example.com"));
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_a_sentence() {
        for text in
            ["", "*", "*.", "a.*.b", "*a.b", "10.0.0.1", "*.10.0.0.1", "a b", "bücher.example", "a..b", "-/x", "::1"]
        {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
    }
}
