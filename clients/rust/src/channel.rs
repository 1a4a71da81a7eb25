//! The gRPC channel and the credentials every call carries.

use std::time::Duration;

use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use crate::{
    error::Error,
    options::{Options, Tls},
    proto::{session_service_client::SessionServiceClient, socket_gateway_service_client::SocketGatewayServiceClient},
};

/// A ping goes out this often on a connection, so that neither end holds a dead one; the gateway allows it.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of `tcpip.v1.SocketGatewayService` with this `Gateway`'s credentials.
pub type Sockets = SocketGatewayServiceClient<InterceptedService<Channel, Credentials>>;
/// A client of `tcpip.v1.SessionService` with this `Gateway`'s credentials.
pub type Sessions = SessionServiceClient<InterceptedService<Channel, Credentials>>;

/// Adds the bearer token to every call.
#[derive(Clone)]
pub struct Credentials(Option<MetadataValue<Ascii>>);

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

#[derive(Clone)]
pub(crate) struct Channels {
    channel: Channel,
    credentials: Credentials,
}

impl Channels {
    pub(crate) fn new(target: &str, options: &Options) -> Result<Self, Error> {
        let address = if target.contains("://") {
            target.to_owned()
        } else {
            let scheme = if options.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{target}")
        };
        let invalid = |error: tonic::transport::Error| Error::Invalid(format!("\"{target}\" is no target: {error}"));
        let mut endpoint = Endpoint::from_shared(address.clone())
            .map_err(invalid)?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true);
        match &options.tls {
            Some(tls) => {
                let refused = |error| Error::Invalid(format!("the TLS options cannot be used: {error}"));
                endpoint = endpoint.tls_config(config(tls)).map_err(refused)?;
            }
            None if address.starts_with("https://") => {
                return Err(Error::Invalid("an https target needs Options::tls".to_owned()));
            }
            None => {}
        }
        let token = options.token.as_ref().map(|token| {
            let mut value: MetadataValue<Ascii> = format!("Bearer {token}")
                .parse()
                .map_err(|_| Error::Invalid("the token has characters that no header may have".to_owned()))?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        });
        Ok(Self { channel: endpoint.connect_lazy(), credentials: Credentials(token.transpose()?) })
    }

    pub(crate) fn sockets(&self) -> Sockets {
        SocketGatewayServiceClient::with_interceptor(self.channel.clone(), self.credentials.clone())
    }

    pub(crate) fn sessions(&self) -> Sessions {
        SessionServiceClient::with_interceptor(self.channel.clone(), self.credentials.clone())
    }
}

fn config(tls: &Tls) -> ClientTlsConfig {
    let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.ca));
    if let Some(name) = &tls.server_name {
        config = config.domain_name(name);
    }
    if let Some((certificate, key)) = &tls.identity {
        config = config.identity(Identity::from_pem(certificate, key));
    }
    config
}
