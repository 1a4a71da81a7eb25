//! TLS as the gateway speaks it: versions 1.2 and 1.3 by rustls, HTTP/2 only.

use std::{path::Path, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::{
    Error, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};

use super::{About, Reader, TlsFiles};

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// They are not asked.
    #[default]
    Off,
    /// They may; one that is no good ends the handshake.
    Optional,
    /// They must, or the handshake fails.
    Required,
}

pub(super) struct Texts {
    certificate: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    client_ca: Option<Vec<u8>>,
}

pub(super) fn read(files: &TlsFiles, reader: &mut Reader) -> Texts {
    Texts {
        certificate: reader.read(About::Certificate, &files.certificate),
        key: reader.read(About::Key, &files.key),
        client_ca: files.client_ca.as_ref().and_then(|path| reader.read(About::ClientCa, path)),
    }
}

pub(super) fn load(files: &TlsFiles, reader: &mut Reader) -> Option<Arc<ServerConfig>> {
    let texts = read(files, reader);
    let chain = texts.certificate.and_then(|text| certificates(&text, About::Certificate, &files.certificate, reader));
    let key = texts.key.and_then(|text| private_key(&text, &files.key, reader));
    let provider = Arc::new(ring::default_provider());
    let clients = match (files.client_auth, texts.client_ca) {
        (ClientAuth::Off, _) => WebPkiClientVerifier::no_client_auth(),
        (auth, text) => {
            let Some(path) = files.client_ca.as_deref() else {
                reader.problem(
                    About::ClientCa,
                    "tls.client_auth needs the authorities to check them: set tls.client_ca".into(),
                );
                return None;
            };
            let authorities = certificates(&text?, About::ClientCa, path, reader)?;
            client_verifier(authorities, auth, path, &provider, reader)?
        }
    };
    let versions = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13, &TLS12]);
    let builder = versions.expect("ring has suites for both versions").with_client_cert_verifier(clients);
    match builder.with_single_cert(chain?, key?) {
        Ok(mut config) => {
            // gRPC needs HTTP/2 (RFC 9113, section 3.2).
            config.alpn_protocols = vec![b"h2".to_vec()];
            Some(Arc::new(config))
        }
        Err(Error::InconsistentKeys(_)) => {
            let (key, certificate) = (files.key.display(), files.certificate.display());
            reader.problem(About::Key, format!("{key} is not the key of the certificate in {certificate}"));
            None
        }
        Err(error) => {
            reader.problem(About::Certificate, format!("{} cannot be used: {error}", files.certificate.display()));
            None
        }
    }
}

fn certificates(text: &[u8], about: About, path: &Path, reader: &mut Reader) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(found) if !found.is_empty() => return Some(found),
        Ok(_) => reader.problem(about, format!("{} has no certificate in PEM", path.display())),
        Err(_) => reader.problem(about, format!("{} has a broken certificate, or is no PEM", path.display())),
    }
    None
}

/// Says nothing of what is in the file: it should be a secret.
fn private_key(text: &[u8], path: &Path, reader: &mut Reader) -> Option<PrivateKeyDer<'static>> {
    let key = PrivateKeyDer::from_pem_slice(text).ok();
    if key.is_none() {
        reader.problem(About::Key, format!("{} has no private key in PEM", path.display()));
    }
    key
}

fn client_verifier(
    authorities: Vec<CertificateDer<'static>>,
    auth: ClientAuth,
    path: &Path,
    provider: &Arc<CryptoProvider>,
    reader: &mut Reader,
) -> Option<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        if let Err(error) = roots.add(authority) {
            reader.problem(About::ClientCa, format!("{} has a certificate of no authority: {error}", path.display()));
            return None;
        }
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if auth == ClientAuth::Optional { builder.allow_unauthenticated() } else { builder };
    match builder.build() {
        Ok(verifier) => Some(verifier),
        Err(error) => {
            reader.problem(About::ClientCa, format!("{} cannot be used: {error}", path.display()));
            None
        }
    }
}
