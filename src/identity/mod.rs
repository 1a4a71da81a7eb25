//! Who calls, and what that allows: callers, their namespaces and roles. Pure: no sockets, no files, no gRPC.
//!
//! Everything that lives in the gateway belongs to a namespace, and ids are unique only within theirs. A caller reaches its own
//! namespace; what lies in another is not there for it. Only operators (and observers of everything) see more.

mod authenticator;
mod caller;
mod certificates;
mod jwt;
mod jwt_crypto;
mod scoped;
mod tokens;

pub use jsonwebtoken::Algorithm;

pub use self::{
    authenticator::{Authenticator, Verified},
    caller::{Caller, EVERY_NAMESPACE, Role, Sight, is_namespace},
    certificates::{CertificateNames, KnownCertificate, NamePattern},
    jwt::{FromClaim, Issuer, IssuerSpec},
    scoped::Scoped,
    tokens::{StaticToken, TOKEN_PREFIX, TokenHash, fresh_token},
};
