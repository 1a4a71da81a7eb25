//! What proves who is who: the gateway's own certificate and key, the authorities of client certificates, the keys of token issuers,
//! and the tables of who may call. Loaded from their files as a whole, checked, and swapped as a whole while connections live.
//!
//! Nothing here is ever logged or shown but paths and names.

mod live;
mod tls;

use std::{fs::File, io::Read, path::PathBuf, sync::Arc};

use ring::digest::{Context, SHA256};
use tokio_rustls::rustls::ServerConfig;

pub use self::{live::Live, tls::ClientAuth};
use crate::{
    error::io_sentence,
    identity::{Authenticator, Issuer, IssuerSpec, KnownCertificate, StaticToken},
};

/// A file of certificates or keys may have so many bytes.
const FILE_BYTES: u64 = 1 << 20;

/// Where credentials come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// TLS; None: plaintext.
    pub tls: Option<TlsFiles>,
    /// Static tokens.
    pub tokens: Vec<StaticToken>,
    /// Issuers of JWTs, with the files of their keys.
    pub issuers: Vec<(IssuerSpec, KeyFile)>,
    /// Client certificates that may call.
    pub certificates: Vec<KnownCertificate>,
}

/// The files of TLS, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The gateway's chain, its own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities that client certificates are checked against.
    pub client_ca: Option<PathBuf>,
    /// Whether clients show a certificate.
    pub client_auth: ClientAuth,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFile {
    /// A JWK set.
    Jwks(PathBuf),
    /// One public key in PEM, or a secret.
    Key(PathBuf),
}

/// What a problem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// `tls.certificate`.
    Certificate,
    /// `tls.key`.
    Key,
    /// `tls.client_ca`.
    ClientCa,
    /// The issuer at this index.
    Issuer(usize),
    /// What cannot change while the gateway runs.
    Restart,
}

/// Why credentials cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is about.
    pub about: About,
    /// A sentence.
    pub message: String,
}

/// Credentials as loaded.
pub struct Credentials {
    /// For the next TLS handshake; None: plaintext.
    pub tls: Option<Arc<ServerConfig>>,
    /// Who may call; None: no identity is configured.
    pub authenticator: Option<Authenticator>,
    /// Of the bytes of all files, to see changes by.
    fingerprint: [u8; 32],
}

impl Sources {
    /// Whether callers are asked who they are.
    pub fn have_identity(&self) -> bool {
        !(self.tokens.is_empty() && self.issuers.is_empty() && self.certificates.is_empty())
    }

    /// Reads and checks all files.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn load(&self) -> Result<Credentials, Vec<Problem>> {
        let mut reader = Reader { context: Context::new(&SHA256), problems: Vec::new() };
        let tls = self.tls.as_ref().and_then(|files| tls::load(files, &mut reader));
        let mut issuers = Vec::new();
        for (at, (spec, file)) in self.issuers.iter().enumerate() {
            let (KeyFile::Jwks(path) | KeyFile::Key(path)) = file;
            let Some(text) = reader.read(About::Issuer(at), path) else { continue };
            let issuer = match file {
                KeyFile::Jwks(_) => Issuer::of_jwks(spec.clone(), &text),
                KeyFile::Key(_) => Issuer::of_key(spec.clone(), &text),
            };
            match issuer {
                Ok(issuer) => issuers.push(issuer),
                Err(message) => reader.problem(About::Issuer(at), format!("{} {message}", path.display())),
            }
        }
        if !reader.problems.is_empty() {
            return Err(reader.problems);
        }
        let authenticator =
            self.have_identity().then(|| Authenticator::new(self.tokens.clone(), issuers, self.certificates.clone()));
        Ok(Credentials { tls, authenticator, fingerprint: finished(reader.context) })
    }

    /// Of the bytes of all files as they are now; files that cannot be read count as such.
    fn fingerprint(&self) -> [u8; 32] {
        let mut reader = Reader { context: Context::new(&SHA256), problems: Vec::new() };
        if let Some(files) = &self.tls {
            tls::read(files, &mut reader);
        }
        for (_, KeyFile::Jwks(path) | KeyFile::Key(path)) in &self.issuers {
            reader.read(About::Restart, path);
        }
        finished(reader.context)
    }
}

/// Reads files, and collects what is wrong with them.
struct Reader {
    context: Context,
    problems: Vec<Problem>,
}

impl Reader {
    fn read(&mut self, about: About, path: &PathBuf) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(FILE_BYTES + 1).read_to_end(&mut bytes));
        self.context.update(&(bytes.len() as u64).to_be_bytes());
        self.context.update(&bytes);
        match read {
            Err(error) => {
                self.problem(about, format!("{} cannot be read: {}", path.display(), io_sentence(&error)));
                None
            }
            Ok(_) if bytes.len() as u64 > FILE_BYTES => {
                self.problem(about, format!("{} has more than {FILE_BYTES} bytes", path.display()));
                None
            }
            Ok(_) => Some(bytes),
        }
    }

    fn problem(&mut self, about: About, message: String) {
        self.problems.push(Problem { about, message });
    }
}

fn finished(context: Context) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(context.finish().as_ref());
    fingerprint
}
