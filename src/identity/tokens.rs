//! Static bearer tokens. The gateway knows only their hashes.
//!
//! A plain SHA-256 is right here, where a password would need a slow hash: the tokens are 256 random bits, which nobody can guess from
//! their hash, and a slow hash would be a way to use up the gateway's time.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::Caller;

/// What every token that the gateway makes begins with, so that scanners for leaked secrets can know it.
pub const TOKEN_PREFIX: &str = "sgw_";

/// The SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token as it is sent.
    pub fn of(token: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token).as_ref());
        Self(hash)
    }

    /// From 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
            let digits = text.get(at..at + 2).filter(|digits| digits.chars().all(|digit| digit.is_ascii_hexdigit()))?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl std::fmt::Display for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hash of a token]")
    }
}

/// A token that may call.
#[derive(Clone, Debug)]
pub struct StaticToken {
    /// Its hash.
    pub hash: TokenHash,
    /// Whose it is.
    pub caller: Arc<Caller>,
}

/// Whose token has this hash. Every token is compared, each in constant time.
pub(super) fn find(tokens: &[StaticToken], hash: &TokenHash) -> Option<Arc<Caller>> {
    let mut found = u64::MAX;
    for (at, token) in (0..).zip(tokens) {
        found.conditional_assign(&at, token.hash.0.ct_eq(&hash.0));
    }
    tokens.get(usize::try_from(found).ok()?).map(|token| Arc::clone(&token.caller))
}

/// A new token of 256 random bits, with its hash.
///
/// # Panics
/// Where the system has no randomness to give.
pub fn fresh_token() -> (String, TokenHash) {
    let mut random = [0; 32];
    SystemRandom::new().fill(&mut random).expect("the system gives random bytes");
    let token = format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let hash = TokenHash::of(token.as_bytes());
    (token, hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Role;

    fn token(name: &str, token: &str) -> StaticToken {
        let caller = Caller { identity: name.into(), namespace: name.into(), role: Role::User };
        StaticToken { hash: TokenHash::of(token.as_bytes()), caller: Arc::new(caller) }
    }

    #[test]
    fn a_token_is_found_by_its_hash_and_by_nothing_else() {
        let tokens = [token("a", "one"), token("b", "two")];
        let find =
            |text: &str| find(&tokens, &TokenHash::of(text.as_bytes())).map(|caller| caller.identity.to_string());
        assert_eq!((find("one"), find("two")), (Some("a".into()), Some("b".into())));
        assert_eq!((find("on"), find("one "), find("")), (None, None, None));
        assert_eq!(super::find(&[], &TokenHash::of(b"one")), None);
    }

    #[test]
    fn a_hash_is_written_and_read_as_sha256sum_writes_it() {
        let hash = TokenHash::of(b"abc");
        // FIPS 180-4, the example of one block.
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert_eq!(TokenHash::parse(text), Some(hash));
        assert_eq!(TokenHash::parse(&text.to_uppercase()), Some(hash));
        for bad in ["", &text[1..], &format!("{text}0"), &text.replace('b', "g"), &text.replace("ba", "+a")] {
            assert_eq!(TokenHash::parse(bad), None, "{bad}");
        }
        assert!(!format!("{:?}", token("a", "abc")).contains("ba78"));
    }

    #[test]
    fn fresh_tokens_differ_and_have_256_bits() {
        let (one, two) = (fresh_token(), fresh_token());
        assert_ne!(one.0, two.0);
        assert_eq!(one.0.len(), TOKEN_PREFIX.len() + 43);
        assert_eq!(TokenHash::of(one.0.as_bytes()), one.1);
    }
}
