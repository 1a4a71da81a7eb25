//! From credentials to a caller. What is wrong with credentials that are refused is told to nobody who calls.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use super::{Caller, CertificateNames, Issuer, KnownCertificate, StaticToken, TokenHash, tokens};
use crate::limits::fixed;

/// JWTs whose signature need not be checked again; about 0.3 KiB each.
const REMEMBERED: usize = 4096;

/// A caller whose credentials are good.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Who it is.
    pub caller: Arc<Caller>,
    /// Until when; None: until they are withdrawn.
    pub expires: Option<SystemTime>,
}

impl Verified {
    fn is_over(&self) -> bool {
        self.expires.is_some_and(|expires| expires <= SystemTime::now())
    }
}

/// Everything that may call.
#[derive(Default)]
pub struct Authenticator {
    tokens: Vec<StaticToken>,
    issuers: Vec<Issuer>,
    certificates: Vec<KnownCertificate>,
    /// JWTs that were good; a signature costs more to check than all the rest of a small call.
    remembered: Mutex<HashMap<TokenHash, Verified>>,
}

impl Authenticator {
    /// Of these tokens, issuers and certificates.
    pub fn new(tokens: Vec<StaticToken>, issuers: Vec<Issuer>, certificates: Vec<KnownCertificate>) -> Self {
        Self { tokens, issuers, certificates, remembered: Mutex::default() }
    }

    /// Whose bearer token this is.
    pub fn bearer(&self, token: &str) -> Option<Verified> {
        if token.is_empty() || token.len() > fixed::TOKEN_BYTES {
            return None;
        }
        let hash = TokenHash::of(token.as_bytes());
        if let Some(caller) = tokens::find(&self.tokens, &hash) {
            return Some(Verified { caller, expires: None });
        }
        if self.issuers.is_empty() {
            return None;
        }
        if let Some(known) = self.remembered(&hash) {
            return Some(known);
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        let verified = self.issuers.iter().find_map(|issuer| issuer.verify(token, &header))?;
        self.remember(hash, &verified);
        Some(verified)
    }

    /// Whose client certificate has these names. TLS has checked it.
    pub fn certificate(&self, names: &CertificateNames) -> Option<Verified> {
        let caller = names.caller(&self.certificates)?;
        Some(Verified { caller, expires: None })
    }

    fn remembered(&self, hash: &TokenHash) -> Option<Verified> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let known = remembered.get(hash)?;
        if known.is_over() {
            remembered.remove(hash);
            return None;
        }
        Some(known.clone())
    }

    fn remember(&self, hash: TokenHash, verified: &Verified) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            // All at once: those in use are soon there again.
            remembered.clear();
        }
        remembered.insert(hash, verified.clone());
    }
}
