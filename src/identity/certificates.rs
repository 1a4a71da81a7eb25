//! Callers known by the names in their client certificates. TLS has verified the chain; here only names are looked up.

use std::sync::Arc;

use super::{Caller, Role};

/// The subject alternative names of a client's certificate (RFC 5280, section 4.2.1.6). The common name is no identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateNames {
    /// URIs, for example SPIFFE ids.
    pub uris: Vec<String>,
    /// DNS names.
    pub dns: Vec<String>,
}

impl CertificateNames {
    /// The names in an end entity's certificate in DER; None where it cannot be read.
    pub fn of(der: &[u8]) -> Option<Self> {
        let der = der.into();
        let certificate = webpki::EndEntityCert::try_from(&der).ok()?;
        Some(Self {
            uris: certificate.valid_uri_names().map(str::to_owned).collect(),
            dns: certificate.valid_dns_names().map(str::to_ascii_lowercase).collect(),
        })
    }
}

impl CertificateNames {
    /// Whom certificates with these names are known as: by the first that fits.
    pub fn caller(&self, known: &[KnownCertificate]) -> Option<Arc<Caller>> {
        known.iter().find_map(|one| {
            let name = one.pattern.find(self)?;
            let identity = one.name.clone().unwrap_or_else(|| name.into());
            let namespace = one.namespace.clone().unwrap_or_else(|| Arc::clone(&identity));
            super::is_namespace(&namespace).then(|| Arc::new(Caller { identity, namespace, role: one.role }))
        })
    }
}

/// Which name makes a certificate that of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// This URI.
    Uri(String),
    /// All URIs that begin so.
    UriPrefix(String),
    /// This DNS name, in lower case.
    Dns(String),
    /// One label before this DNS name, in lower case.
    DnsUnder(String),
}

impl NamePattern {
    /// A URI, or with `*` at the end all that begin so.
    pub fn uri(text: &str) -> Option<Self> {
        match text.strip_suffix('*') {
            // Where the star could stand for the authority it would stand for anybody.
            Some(prefix) if !prefix.contains('*') && has_path(prefix) => Some(Self::UriPrefix(prefix.to_owned())),
            None if !text.contains('*') && text.contains(':') => Some(Self::Uri(text.to_owned())),
            _ => None,
        }
    }

    /// A DNS name, or with `*.` before it those of one more label.
    pub fn dns(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        match text.strip_prefix("*.") {
            Some(under) if !under.contains('*') && under.contains('.') => Some(Self::DnsUnder(under.to_owned())),
            None if !text.contains('*') && !text.is_empty() => Some(Self::Dns(text)),
            _ => None,
        }
    }

    fn find<'a>(&self, names: &'a CertificateNames) -> Option<&'a str> {
        let mut uris = names.uris.iter();
        let mut dns = names.dns.iter();
        match self {
            Self::Uri(uri) => uris.find(|name| *name == uri),
            Self::UriPrefix(prefix) => uris.find(|name| name.len() > prefix.len() && name.starts_with(prefix.as_str())),
            Self::Dns(one) => dns.find(|name| *name == one),
            Self::DnsUnder(under) => {
                dns.find(|name| name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == under))
            }
        }
        .map(String::as_str)
    }
}

/// Whether a URI's prefix goes on after its authority.
fn has_path(prefix: &str) -> bool {
    prefix.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && rest.find('/').is_some_and(|at| at > 0))
}

/// A client certificate that may call.
#[derive(Clone, Debug)]
pub struct KnownCertificate {
    /// By this name of it.
    pub pattern: NamePattern,
    /// The identity; None: the name itself.
    pub name: Option<Arc<str>>,
    /// The namespace; None: the identity.
    pub namespace: Option<Arc<str>>,
    /// The role.
    pub role: Role,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(uris: &[&str], dns: &[&str]) -> CertificateNames {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        CertificateNames { uris: owned(uris), dns: owned(dns) }
    }

    #[test]
    fn exact_names_and_wildcards_find_what_they_say_and_no_more() {
        let spiffe = NamePattern::uri("spiffe://example.org/ns/*").expect("good");
        assert!(spiffe.find(&names(&["spiffe://example.org/ns/a"], &[])).is_some());
        for other in ["spiffe://example.org/ns/", "spiffe://example.org.evil/ns/a", "https://example.org/ns/a"] {
            assert_eq!(spiffe.find(&names(&[other], &[])), None, "{other}");
        }
        let under = NamePattern::dns("*.Example.org").expect("good");
        assert!(under.find(&names(&[], &["a.example.org"])).is_some());
        for other in ["example.org", "a.b.example.org", ".example.org", "aexample.org"] {
            assert_eq!(under.find(&names(&[], &[other])), None, "{other}");
        }
        // A DNS name is no URI, and a URI no DNS name.
        assert_eq!(NamePattern::dns("a").expect("good").find(&names(&["a"], &["b"])), None);
    }

    #[test]
    fn patterns_that_would_let_anybody_in_are_none() {
        for bad in ["*", "spiffe://*", "spiffe:///*", "spiffe://a*", "spiffe://a/*/b", "no-scheme"] {
            assert_eq!(NamePattern::uri(bad), None, "{bad}");
        }
        for bad in ["*", "*.", "*.org", "a.*.org", ""] {
            assert_eq!(NamePattern::dns(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_certificate_has_the_name_that_was_found_unless_it_is_given_another() {
        let known = |name: Option<&str>, namespace: Option<&str>| KnownCertificate {
            pattern: NamePattern::uri("spiffe://example.org/*").expect("good"),
            name: name.map(Into::into),
            namespace: namespace.map(Into::into),
            role: Role::User,
        };
        let names = names(&["spiffe://example.org/a"], &[]);
        let found = |known| names.caller(&[known]).map(|caller| format!("{} {}", caller.identity, caller.namespace));
        assert_eq!(found(known(None, None)).as_deref(), Some("spiffe://example.org/a spiffe://example.org/a"));
        assert_eq!(found(known(Some("a"), None)).as_deref(), Some("a a"));
        assert_eq!(found(known(None, Some("n"))).as_deref(), Some("spiffe://example.org/a n"));
    }
}
