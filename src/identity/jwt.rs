//! JSON web tokens (RFC 7519) of known issuers, checked as RFC 8725 asks for: an allow-list of algorithms, keys of the right kind for
//! them, and issuer, audience and expiry required.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, Header, Validation, decode,
    errors::Error as JwtError,
    jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use serde_json::{Map, Value};

use super::{Caller, EVERY_NAMESPACE, Role, Verified, is_namespace, jwt_crypto};

/// A secret shorter than the hash is easier to guess than it (RFC 7518, section 3.2).
const SHORTEST_SECRET: usize = 32;

/// Where a value comes from: a claim, or what is said for tokens without it.
#[derive(Clone, Debug)]
pub struct FromClaim<T> {
    /// The claim's name, or a JSON pointer (RFC 6901) to it where it begins with `/`.
    pub claim: Option<String>,
    /// For tokens without that claim; None: they are refused.
    pub otherwise: Option<T>,
}

/// An issuer of tokens.
#[derive(Clone, Debug)]
pub struct IssuerSpec {
    /// `iss` must be this.
    pub issuer: String,
    /// `aud` must be, or hold, one of these.
    pub audiences: Vec<String>,
    /// `alg` must be one of these; all of one family.
    pub algorithms: Vec<Algorithm>,
    /// How far the issuer's clock may be off.
    pub clock_skew: Duration,
    /// The claim that is the identity: a name or a JSON pointer.
    pub identity_claim: String,
    /// The namespace; neither claim nor otherwise: the identity.
    pub namespace: FromClaim<Arc<str>>,
    /// The role.
    pub role: FromClaim<Role>,
}

/// An issuer with its keys.
pub struct Issuer {
    spec: IssuerSpec,
    keys: Vec<Key>,
    validation: Validation,
}

struct Key {
    id: Option<String>,
    algorithm: Option<KeyAlgorithm>,
    key: DecodingKey,
}

impl Issuer {
    /// With the keys of a JWK set (RFC 7517). Those that cannot serve its algorithms are left out.
    ///
    /// # Errors
    /// A sentence, where the text is no JWK set or no key in it can serve.
    pub fn of_jwks(spec: IssuerSpec, text: &[u8]) -> Result<Self, String> {
        let set: JwkSet = serde_json::from_slice(text).map_err(|error| format!("is no JWK set: {error}"))?;
        let keys: Vec<Key> = set.keys.iter().filter_map(|jwk| of_jwk(&spec, jwk)).collect();
        if keys.is_empty() {
            return Err(format!("has no signature key for {:?}", spec.algorithms));
        }
        Ok(Self::new(spec, keys))
    }

    /// With one key: a public key in PEM, or the secret itself where the algorithms are HMACs.
    ///
    /// # Errors
    /// A sentence, where the text is no key for the algorithms.
    pub fn of_key(spec: IssuerSpec, text: &[u8]) -> Result<Self, String> {
        let pem = |read: fn(&[u8]) -> Result<DecodingKey, JwtError>, what: &str| {
            read(text).map_err(|_| format!("is no {what} public key in PEM, as {:?} needs it", spec.algorithms))
        };
        let key = match spec.algorithms.first().map(|algorithm| algorithm.family()) {
            Some(AlgorithmFamily::Rsa) => pem(DecodingKey::from_rsa_pem, "RSA"),
            Some(AlgorithmFamily::Ec) => pem(DecodingKey::from_ec_pem, "EC"),
            Some(AlgorithmFamily::Ed) => pem(DecodingKey::from_ed_pem, "Ed25519"),
            Some(AlgorithmFamily::Hmac) => secret(text),
            None => Err("no algorithm is allowed".to_owned()),
        }?;
        Ok(Self::new(spec, vec![Key { id: None, algorithm: None, key }]))
    }

    fn new(spec: IssuerSpec, keys: Vec<Key>) -> Self {
        jwt_crypto::install();
        let mut validation = Validation::default();
        validation.algorithms.clone_from(&spec.algorithms);
        validation.leeway = spec.clock_skew.as_secs();
        validation.validate_nbf = true;
        validation.set_audience(&spec.audiences);
        validation.set_issuer(&[&spec.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        Self { spec, keys, validation }
    }

    /// Whose token this is; None where it is not a good one of this issuer.
    pub(super) fn verify(&self, token: &str, header: &Header) -> Option<Verified> {
        // What is critical there (RFC 7515, section 4.1.11) is not understood here.
        if header.crit.is_some() || !self.spec.algorithms.contains(&header.alg) {
            return None;
        }
        let claims = self.keys.iter().filter(|key| key.may_have_signed(header)).find_map(|key| {
            let claims = decode::<Map<String, Value>>(token, &key.key, &self.validation);
            claims.ok().map(|token| Value::Object(token.claims))
        })?;
        let caller = self.caller(&claims)?;
        let expires = claims.get("exp").and_then(|exp| exp.as_u64().or_else(|| exp.as_f64().map(|exp| exp as u64)))?;
        let expires = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(expires))?;
        Some(Verified { caller: Arc::new(caller), expires: expires.checked_add(self.spec.clock_skew) })
    }

    fn caller(&self, claims: &Value) -> Option<Caller> {
        let identity: Arc<str> = text(claims, &self.spec.identity_claim)?.into();
        let namespace = match &self.spec.namespace {
            FromClaim { claim: None, otherwise: None } => Arc::clone(&identity),
            FromClaim { claim, otherwise } => match claim.as_deref().and_then(|claim| find(claims, claim)) {
                Some(named) => named.as_str()?.into(),
                None => otherwise.clone()?,
            },
        };
        let role = match self.spec.role.claim.as_deref().and_then(|claim| find(claims, claim)) {
            Some(Value::String(name)) => Role::named(name)?,
            Some(Value::Array(names)) => strongest(names)?,
            Some(_) => return None,
            None => self.spec.role.otherwise?,
        };
        let observes_all = role == Role::Observer && *namespace == *EVERY_NAMESPACE;
        let good = is_namespace(&identity) && is_namespace(&namespace);
        (good && (observes_all || *namespace != *EVERY_NAMESPACE)).then_some(Caller { identity, namespace, role })
    }
}

impl Key {
    fn may_have_signed(&self, header: &Header) -> bool {
        let named = header.kid.is_none() || self.id.is_none() || header.kid == self.id;
        let fits = self.algorithm.is_none_or(|algorithm| algorithm.to_string() == format!("{:?}", header.alg));
        named && fits && self.key.family() == header.alg.family()
    }
}

fn of_jwk(spec: &IssuerSpec, jwk: &Jwk) -> Option<Key> {
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    let serves = spec.algorithms.iter().any(|algorithm| algorithm.family() == key.family());
    let long_enough =
        key.family() != AlgorithmFamily::Hmac || key.try_get_as_bytes().is_ok_and(|key| key.len() >= SHORTEST_SECRET);
    let (id, algorithm) = (jwk.common.key_id.clone(), jwk.common.key_algorithm);
    (serves && long_enough).then_some(Key { id, algorithm, key })
}

fn secret(text: &[u8]) -> Result<DecodingKey, String> {
    let text = text.trim_ascii();
    if text.windows(10).any(|part| part == b"-----BEGIN") {
        return Err("is a key in PEM: with it as the secret of an HMAC whoever knows it could sign tokens".to_owned());
    }
    if text.len() < SHORTEST_SECRET {
        return Err(format!("is a secret of {} bytes; it needs at least {SHORTEST_SECRET}", text.len()));
    }
    Ok(DecodingKey::from_secret(text))
}

fn find<'a>(claims: &'a Value, claim: &str) -> Option<&'a Value> {
    if claim.starts_with('/') { claims.pointer(claim) } else { claims.get(claim) }
}

fn text<'a>(claims: &'a Value, claim: &str) -> Option<&'a str> {
    find(claims, claim)?.as_str().filter(|text| !text.is_empty())
}

/// Of the roles in a list, which may hold roles of other services too.
fn strongest(names: &[Value]) -> Option<Role> {
    let has = |role: &Role| names.iter().any(|name| name.as_str() == Some(role.as_str()));
    [Role::Operator, Role::User, Role::Observer].into_iter().find(has)
}
