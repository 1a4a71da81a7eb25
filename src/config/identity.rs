//! Who may call: `[[identity.tokens]]`, `[[identity.jwt]]` and `[[identity.certificates]]`.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use toml::de::{DeTable, DeValue};

use super::{
    document::{Document, kind},
    fault::{Fault, Origin},
    fields::{Fields, each_table},
};
use crate::{
    credentials::KeyFile,
    identity::{
        Algorithm, Caller, EVERY_NAMESPACE, FromClaim, IssuerSpec, KnownCertificate, NamePattern, Role, StaticToken,
        TokenHash, is_namespace,
    },
};

/// The lists in the table `identity`.
pub(super) const LISTS: [&str; 3] = [TOKENS, JWT, CERTIFICATES];
const TOKENS: &str = "identity.tokens";
const JWT: &str = "identity.jwt";
const CERTIFICATES: &str = "identity.certificates";

/// Clocks that are further off should be set right.
const LARGEST_SKEW: Duration = Duration::from_secs(600);
const DEFAULT_SKEW: Duration = Duration::from_secs(60);

/// As many of each may be told apart: tokens are compared one by one, and issuers asked one by one.
const MOST_TOKENS: usize = 4096;
const MOST_ISSUERS: usize = 16;
const MOST_CERTIFICATES: usize = 4096;

/// Everything that may call.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    /// Static tokens.
    pub tokens: Vec<StaticToken>,
    /// Issuers of JWTs and the files of their keys.
    pub issuers: Vec<(IssuerSpec, KeyFile)>,
    /// Client certificates.
    pub certificates: Vec<KnownCertificate>,
    /// Where the issuers are declared.
    pub(super) issuer_origins: Vec<Origin>,
    /// Where the first certificate is declared.
    pub(super) first_certificate: Option<Origin>,
}

impl Identities {
    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.issuers.is_empty() && self.certificates.is_empty()
    }

    /// Whether callers may send a bearer token.
    pub fn have_bearers(&self) -> bool {
        !(self.tokens.is_empty() && self.issuers.is_empty())
    }
}

/// Reads all three lists.
pub(super) fn read(document: &Document, table: &DeTable<'_>, faults: &mut Vec<Fault>) -> Identities {
    let mut found = Identities::default();
    let Some(identity) = table.get("identity").and_then(|value| value.get_ref().as_table()) else { return found };
    let mut seen = HashMap::new();
    each_table(document, identity, "tokens", TOKENS, faults, |fields, at| {
        bounded(fields, at, MOST_TOKENS);
        if let Some(token) = token(fields, &mut seen) {
            found.tokens.push(token);
        }
    });
    each_table(document, identity, "jwt", JWT, faults, |fields, at| {
        bounded(fields, at, MOST_ISSUERS);
        if let Some(issuer) = issuer(fields) {
            found.issuers.push(issuer);
            found.issuer_origins.push(fields.start().clone());
        }
    });
    each_table(document, identity, "certificates", CERTIFICATES, faults, |fields, at| {
        bounded(fields, at, MOST_CERTIFICATES);
        found.first_certificate.get_or_insert_with(|| fields.start().clone());
        if let Some(certificate) = certificate(fields) {
            found.certificates.push(certificate);
        }
    });
    found
}

fn bounded(fields: &mut Fields<'_>, at: usize, most: usize) {
    if at == most {
        fields.fault("name", format_args!("is of one too many: at most {most}"));
    }
}

fn token(fields: &mut Fields<'_>, seen: &mut HashMap<TokenHash, Origin>) -> Option<StaticToken> {
    let name = fields.required_text("name", "who has the token");
    let namespace = given(fields, "namespace").unwrap_or_else(|| name.as_str().into());
    let role = role(fields, "role").unwrap_or(Role::User);
    let text = fields.required_text("sha256", "the hash that `socket-gateway token` prints");
    let hash = TokenHash::parse(&text);
    match &hash {
        None if fields.is_good("sha256") => {
            // Not shown: it may be the token itself, put here by mistake.
            fields.fault("sha256", "must be 64 hexadecimal digits: the hash of the token, never the token itself");
        }
        Some(hash) => {
            if let Some(earlier) = seen.insert(*hash, fields.start().clone()) {
                fields.fault("sha256", format_args!("is that of {earlier} already"));
            }
        }
        None => {}
    }
    check_names(fields, &name, &namespace, role);
    let caller = Arc::new(Caller { identity: name.into(), namespace, role });
    hash.map(|hash| StaticToken { hash, caller })
}

fn issuer(fields: &mut Fields<'_>) -> Option<(IssuerSpec, KeyFile)> {
    let (jwks, key) = (fields.text("jwks_file"), fields.text("key_file"));
    let file = match (jwks.is_empty(), key.is_empty()) {
        (false, true) => Some(KeyFile::Jwks(PathBuf::from(jwks))),
        (true, false) => Some(KeyFile::Key(PathBuf::from(key))),
        (true, true) => {
            fields.fault("jwks_file", "or key_file is required: the file of the issuer's keys");
            None
        }
        (false, false) => {
            fields.fault("key_file", "and jwks_file cannot both be given");
            None
        }
    };
    let issuer = fields.required_text("issuer", "the tokens' `iss`, like \"https://issuer.example.org\"");
    let audiences = texts(fields, "audience");
    if audiences.is_empty() && fields.is_good("audience") {
        fields.fault("audience", "is required: the tokens' `aud`, or a list of which one has to be there");
    }
    let algorithms = algorithms(fields);
    let (namespace, namespace_claim) = (given(fields, "namespace"), given(fields, "namespace_claim"));
    let (role_given, role_claim) = (role(fields, "role"), given(fields, "role_claim"));
    if let Some(namespace) = &namespace {
        check_names(fields, "jwt", namespace, role_given.unwrap_or(Role::User));
    }
    let spec = IssuerSpec {
        issuer,
        audiences,
        algorithms,
        clock_skew: skew(fields),
        identity_claim: given(fields, "identity_claim").map_or_else(|| "sub".to_owned(), |claim| claim.to_string()),
        namespace: FromClaim { claim: namespace_claim.map(|claim| claim.to_string()), otherwise: namespace },
        // A role that should come from a claim must not be had by leaving the claim out.
        role: FromClaim {
            otherwise: role_given.or_else(|| role_claim.is_none().then_some(Role::User)),
            claim: role_claim.map(|claim| claim.to_string()),
        },
    };
    file.map(|file| (spec, file))
}

fn algorithms(fields: &mut Fields<'_>) -> Vec<Algorithm> {
    let read = |value: &DeValue<'_>| {
        let text = value.as_str().ok_or_else(|| format!("must be text, not {}", kind(value)))?;
        text.parse::<Algorithm>().map_err(|_| {
            format!("\"{text}\" is none of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA")
        })
    };
    let found = fields.list("algorithms", read).unwrap_or_default();
    if found.is_empty() && fields.is_good("algorithms") {
        fields.fault("algorithms", "is required: what the issuer signs with, like [\"RS256\"]");
    }
    if found.iter().any(|algorithm| algorithm.family() != found[0].family()) {
        let message =
            "must all be for one kind of key: HS…, RS… with PS…, ES…, or EdDSA; declare an issuer twice for two kinds";
        fields.fault("algorithms", message);
    }
    found
}

fn skew(fields: &mut Fields<'_>) -> Duration {
    let given = fields.time("clock_skew").and_then(|time| Duration::try_from(time).ok()).unwrap_or(DEFAULT_SKEW);
    if given > LARGEST_SKEW {
        fields.fault("clock_skew", format_args!("is longer than {}", humantime::format_duration(LARGEST_SKEW)));
    }
    given.min(LARGEST_SKEW)
}

fn certificate(fields: &mut Fields<'_>) -> Option<KnownCertificate> {
    let (uri, dns) = (fields.text("uri"), fields.text("dns"));
    let pattern = match (uri.is_empty(), dns.is_empty()) {
        (false, true) => {
            let pattern = NamePattern::uri(&uri);
            if pattern.is_none() {
                fields.fault(
                    "uri",
                    "must be a URI, like \"spiffe://example.org/ns/a/sa/b\", or end with * after its authority and a /",
                );
            }
            pattern
        }
        (true, false) => {
            let pattern = NamePattern::dns(&dns);
            if pattern.is_none() {
                fields.fault("dns", "must be a DNS name, like \"a.example.org\" or \"*.clients.example.org\"");
            }
            pattern
        }
        (true, true) => {
            fields.fault("uri", "or dns is required: a subject alternative name of the certificate");
            None
        }
        (false, false) => {
            fields.fault("dns", "and uri cannot both be given: make a table for each");
            None
        }
    };
    let (name, namespace) = (given(fields, "name"), given(fields, "namespace"));
    let role = role(fields, "role").unwrap_or(Role::User);
    let example = name.clone().unwrap_or_else(|| "certificate".into());
    check_names(fields, &example, namespace.as_deref().unwrap_or(&example), role);
    Some(KnownCertificate { pattern: pattern?, name, namespace, role })
}

fn given(fields: &mut Fields<'_>, field: &'static str) -> Option<Arc<str>> {
    Some(fields.text(field)).filter(|text| !text.is_empty()).map(Into::into)
}

fn role(fields: &mut Fields<'_>, field: &'static str) -> Option<Role> {
    let text = given(fields, field)?;
    let role = Role::named(&text);
    if role.is_none() {
        fields.fault(field, format_args!("\"{text}\" must be \"user\", \"operator\" or \"observer\""));
    }
    role
}

/// One text, or a list of them.
fn texts(fields: &mut Fields<'_>, field: &'static str) -> Vec<String> {
    let read = |value: &DeValue<'_>| {
        let text = value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        text.ok_or_else(|| format!("must be text, not {}", kind(value)))
    };
    fields.one_or_list(field, read).unwrap_or_default()
}

fn check_names(fields: &mut Fields<'_>, name: &str, namespace: &str, role: Role) {
    const WORDS: &str = "must have at most 128 bytes and no control characters";
    if !name.is_empty() && !is_namespace(name) {
        fields.fault("name", WORDS);
    } else if !namespace.is_empty() && !is_namespace(namespace) {
        fields.fault("namespace", WORDS);
    } else if *namespace == *EVERY_NAMESPACE && role != Role::Observer {
        fields.fault("namespace", "\"*\", which stands for every namespace, is for observers only");
    }
}
