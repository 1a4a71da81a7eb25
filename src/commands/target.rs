//! Which gateway a command uses, and who it is there.

use std::path::{Path, PathBuf};

use clap::Args;
use socket_gateway_client::{DEFAULT_TARGET, Gateway, Options, Sessions, Sockets, Tls};

use super::{end::End, output::Format};

/// Arguments of every command.
#[derive(Args)]
pub(crate) struct Target {
    /// The gateway: host and port, or an http or https URL
    #[arg(long, short = 'g', value_name = "HOST:PORT", env = "SOCKET_GATEWAY_TARGET", default_value = DEFAULT_TARGET)]
    gateway: String,
    /// The bearer token; better in the environment, where other users do not see it
    #[arg(long, env = "SOCKET_GATEWAY_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Speak TLS, and trust the certificate authorities of this PEM file
    #[arg(long, value_name = "FILE", env = "SOCKET_GATEWAY_CA")]
    ca: Option<PathBuf>,
    /// Show this certificate (PEM) to the gateway
    #[arg(long, value_name = "FILE", requires_all = ["ca", "key"])]
    cert: Option<PathBuf>,
    /// The key of --cert (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The name in the gateway's certificate, where it is not the host
    #[arg(long, value_name = "NAME", requires = "ca")]
    server_name: Option<String>,
    /// How output is written
    #[arg(long, short = 'o', value_name = "FORMAT", value_enum, default_value_t)]
    output: Format,
}

impl Target {
    pub(crate) fn format(&self) -> Format {
        self.output
    }

    /// The gateway with a stream, for what opens sockets.
    pub(crate) async fn open(&self, subscriber: Option<&str>) -> Result<Gateway, End> {
        let options = self.options()?;
        let options = match subscriber {
            Some(name) => options.subscriber(name),
            None => options,
        };
        Ok(Gateway::open_with(&self.gateway, options).await?)
    }

    /// The gateway's calls without a stream, for what only asks.
    pub(crate) fn calls(&self) -> Result<(Sockets, Sessions), End> {
        Ok(Gateway::calls(&self.gateway, &self.options()?)?)
    }

    fn options(&self) -> Result<Options, End> {
        let mut options = Options::default();
        if let Some(token) = &self.token {
            options = options.token(token);
        }
        if let Some(ca) = &self.ca {
            let mut tls = Tls::trusting(pem(ca)?);
            if let Some(name) = &self.server_name {
                tls = tls.server_name(name);
            }
            if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
                tls = tls.identity(pem(cert)?, pem(key)?);
            }
            options = options.tls(tls);
        }
        Ok(options)
    }
}

fn pem(file: &Path) -> Result<Vec<u8>, End> {
    std::fs::read(file).map_err(|error| End::usage(format!("{}: cannot be read: {error}", file.display())))
}
