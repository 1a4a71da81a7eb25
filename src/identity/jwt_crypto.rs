//! Signatures of JWTs, checked by ring. jsonwebtoken asks for an implementation of its traits; with this one the gateway has a single
//! cryptographic library, the one of its TLS. Nothing is ever signed here.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
};
use ring::{
    hmac,
    signature::{
        self as ring_signature, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use signature::Verifier;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| -> Result<Box<dyn JwtSigner>, Error> { Err(ErrorKind::UnsupportedAlgorithm.into()) },
    verifier_factory: verifier,
    // Asked only where keys are turned into JWKs, which happens nowhere here.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes this the process's provider.
pub(super) fn install() {
    // Fails where it is installed already.
    let _ = PROVIDER.install_default();
}

struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    // A public key must never serve as the secret of a MAC, or whoever knows it could sign.
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    Ok(Box::new(RingVerifier { algorithm: *algorithm, key: key.clone() }))
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signed: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match self.algorithm {
            Algorithm::HS256 => self.mac(hmac::HMAC_SHA256, message, signed),
            Algorithm::HS384 => self.mac(hmac::HMAC_SHA384, message, signed),
            Algorithm::HS512 => self.mac(hmac::HMAC_SHA512, message, signed),
            Algorithm::RS256 => self.rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA256, message, signed),
            Algorithm::RS384 => self.rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA384, message, signed),
            Algorithm::RS512 => self.rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA512, message, signed),
            Algorithm::PS256 => self.rsa(&ring_signature::RSA_PSS_2048_8192_SHA256, message, signed),
            Algorithm::PS384 => self.rsa(&ring_signature::RSA_PSS_2048_8192_SHA384, message, signed),
            Algorithm::PS512 => self.rsa(&ring_signature::RSA_PSS_2048_8192_SHA512, message, signed),
            Algorithm::ES256 => self.public(&ring_signature::ECDSA_P256_SHA256_FIXED, message, signed),
            Algorithm::ES384 => self.public(&ring_signature::ECDSA_P384_SHA384_FIXED, message, signed),
            Algorithm::EdDSA => self.public(&ring_signature::ED25519, message, signed),
            _ => None,
        };
        verified.ok_or_else(signature::Error::new)
    }
}

impl RingVerifier {
    fn bytes(&self) -> Option<&[u8]> {
        debug_assert_eq!(self.key.family(), self.algorithm.family());
        self.key.try_get_as_bytes().ok()
    }

    fn mac(&self, algorithm: hmac::Algorithm, message: &[u8], signed: &[u8]) -> Option<()> {
        hmac::verify(&hmac::Key::new(algorithm, self.bytes()?), message, signed).ok()
    }

    fn public(&self, algorithm: &'static dyn VerificationAlgorithm, message: &[u8], signed: &[u8]) -> Option<()> {
        UnparsedPublicKey::new(algorithm, self.bytes()?).verify(message, signed).ok()
    }

    fn rsa(&self, algorithm: &'static RsaParameters, message: &[u8], signed: &[u8]) -> Option<()> {
        match (self.key.family(), self.key.kind()) {
            (AlgorithmFamily::Rsa, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(algorithm, message, signed).ok()
            }
            _ => self.public(algorithm, message, signed),
        }
    }
}
