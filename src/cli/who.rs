//! Who asks in a `check`: the caller that a configuration makes of a name, whichever way it would come in.

use std::sync::Arc;

use crate::{
    config::{Config, Identities},
    identity::{Caller, CertificateNames, FromClaim, KnownCertificate, Role},
};

/// Namespace and role of an identity, unless they are given; an error says what has to be.
///
/// A name is looked for among the tokens, then among the certificates (by the identity they are given, or by a name in the
/// certificate); any other is taken for the subject of a JSON web token, where the file has an issuer.
pub(super) fn caller(
    config: &Config,
    name: &str,
    namespace: Option<Arc<str>>,
    role: Option<Role>,
) -> Result<Caller, String> {
    let known = of_token(&config.identities, name).or_else(|| of_certificate(&config.identities, name));
    let identity = known.as_ref().map_or_else(|| name.into(), |known| Arc::clone(&known.identity));
    let (namespace, role) = match known {
        Some(known) => (namespace.unwrap_or(known.namespace), role.unwrap_or(known.role)),
        None if config.identities.issuers.is_empty() => {
            // As identities have it that are given none.
            let own = || if config.has_identity() { name.into() } else { "".into() };
            (namespace.unwrap_or_else(own), role.unwrap_or(Role::User))
        }
        None => of_issuers(&config.identities, name, namespace, role)?,
    };
    Ok(Caller { identity, namespace, role })
}

fn of_token(identities: &Identities, name: &str) -> Option<Caller> {
    let mut callers = identities.tokens.iter().map(|token| &token.caller);
    callers.find(|caller| *caller.identity == *name).map(|caller| Caller::clone(caller))
}

fn of_certificate(identities: &Identities, name: &str) -> Option<Caller> {
    let named = |known: &KnownCertificate| known.name.as_deref() == Some(name);
    if let Some(known) = identities.certificates.iter().find(|known| named(known)) {
        let identity: Arc<str> = name.into();
        let namespace = known.namespace.clone().unwrap_or_else(|| Arc::clone(&identity));
        return Some(Caller { identity, namespace, role: known.role });
    }
    let names = CertificateNames { uris: vec![name.to_owned()], dns: vec![name.to_ascii_lowercase()] };
    names.caller(&identities.certificates).map(|caller| Caller::clone(&caller))
}

/// What every issuer says of a subject, as far as it does not depend on the token's claims.
fn of_issuers(
    identities: &Identities,
    name: &str,
    namespace: Option<Arc<str>>,
    role: Option<Role>,
) -> Result<(Arc<str>, Role), String> {
    let specs = || identities.issuers.iter().map(|(spec, _)| spec);
    let namespace = match namespace {
        Some(given) => given,
        None => agreed(name, "namespace", specs().map(|spec| (&*spec.issuer, &spec.namespace)), || Some(name.into()))?,
    };
    let role = match role {
        Some(given) => given,
        None => agreed(name, "role", specs().map(|spec| (&*spec.issuer, &spec.role)), || None)?,
    };
    Ok((namespace, role))
}

/// What all issuers say alike, without a look at a token.
fn agreed<'a, T: Clone + PartialEq + 'a>(
    name: &str,
    what: &str,
    issuers: impl Iterator<Item = (&'a str, &'a FromClaim<T>)>,
    otherwise: impl Fn() -> Option<T>,
) -> Result<T, String> {
    let mut found: Option<(T, &str)> = None;
    for (issuer, from) in issuers {
        let said = from.otherwise.clone().or_else(&otherwise);
        let (None, Some(said)) = (&from.claim, said) else {
            let claim = from.claim.as_deref().unwrap_or_default();
            return Err(format!(
                "the {what} of \"{name}\" is in its token of {issuer}, in the claim \"{claim}\": pass --{what} with what the token has there"
            ));
        };
        match &found {
            Some((earlier, other)) if *earlier != said => {
                return Err(format!(
                    "the {what} of \"{name}\" depends on who issued its token, {other} or {issuer}: pass --{what}"
                ));
            }
            _ => found = Some((said, issuer)),
        }
    }
    found.map(|(said, _)| said).ok_or_else(|| format!("pass --{what}"))
}
