use std::{net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use socket_gateway::{
    api::proto::{
        self, session_service_client::SessionServiceClient, socket_gateway_service_client::SocketGatewayServiceClient,
    },
    credentials::{Live, Sources},
    gateway::Gateway,
    identity::{Caller, Role, StaticToken, TokenHash},
    limits::Limits,
    server::{Doors, Server},
};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

use crate::{
    credentials::Pair,
    support::{PATIENCE, reason, within},
};

/// A gateway in this process that asks who calls.
pub struct World {
    pub gateway: Arc<Gateway>,
    pub live: Arc<Live>,
    pub addr: SocketAddr,
    pub health: Option<SocketAddr>,
    stop: CancellationToken,
    kill: CancellationToken,
}

impl World {
    pub fn start(sources: Sources) -> Self {
        Self::with(sources, |_| (), |_| ())
    }

    pub fn with(sources: Sources, doors: impl FnOnce(&mut Doors), limits: impl FnOnce(&mut Limits)) -> Self {
        let live = Arc::new(Live::load(sources).unwrap_or_else(|problems| panic!("{problems:?}")));
        let mut of_gateway = Limits::default();
        limits(&mut of_gateway);
        let gateway = Gateway::new(of_gateway);
        let mut open = Doors { credentials: Some(Arc::clone(&live)), ..Doors::default() };
        doors(&mut open);
        let server = Server::bind(Arc::clone(&gateway), ([127, 0, 0, 1], 0).into()).expect("a free port");
        let server = server.with_doors(open).expect("a free port");
        let (addr, health) = (server.local_addr(), server.health_addr());
        let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(server.serve(stop.clone(), kill.clone()));
        Self { gateway, live, addr, health, stop, kill }
    }

    /// Two users, an operator, an observer of one user, and one of everything; each knows its token by its name.
    pub fn of_tokens() -> Self {
        Self::start(Sources { tokens: everybody(), ..Sources::default() })
    }

    pub async fn client(&self, token: &str) -> Client {
        let channel = Endpoint::from_shared(format!("http://{}", self.addr)).expect("an address");
        Client::over(channel.connect().await.expect("connects"), token)
    }

    /// A client whose connection is TLS.
    pub async fn tls_client(&self, config: Arc<ClientConfig>, token: &str) -> Result<Client, tonic::transport::Error> {
        Ok(Client::over(tls_channel(self.addr, config).await?, token))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
        self.kill.cancel();
    }
}

pub fn everybody() -> Vec<StaticToken> {
    vec![
        token(ALICE, "alice", Role::User),
        token(MALLORY, "mallory", Role::User),
        token(OPERATOR, "operations", Role::Operator),
        token(OBSERVER, "alice", Role::Observer),
        token(AUDITOR, "*", Role::Observer),
    ]
}

pub const ALICE: &str = "alice-token";
pub const MALLORY: &str = "mallory-token";
pub const OPERATOR: &str = "operator-token";
pub const OBSERVER: &str = "observer-token";
pub const AUDITOR: &str = "auditor-token";

pub fn token(text: &str, namespace: &str, role: Role) -> StaticToken {
    let identity = text.trim_end_matches("-token").into();
    let caller = Arc::new(Caller { identity, namespace: namespace.into(), role });
    StaticToken { hash: TokenHash::of(text.as_bytes()), caller }
}

/// Sends one `authorization` header, or none.
#[derive(Clone)]
pub struct Authorization(Option<MetadataValue<Ascii>>);

impl Authorization {
    pub fn bearer(token: &str) -> Self {
        Self::of(&format!("Bearer {token}"))
    }

    pub fn of(header: &str) -> Self {
        Self(Some(header.parse().expect("a header")))
    }
}

impl Interceptor for Authorization {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.0 {
            request.metadata_mut().insert("authorization", header.clone());
        }
        Ok(request)
    }
}

type Authorized = InterceptedService<Channel, Authorization>;

/// A caller with a token, or with none where that is empty.
#[derive(Clone)]
pub struct Client {
    pub sockets: SocketGatewayServiceClient<Authorized>,
    pub sessions: SessionServiceClient<Authorized>,
    pub channel: Channel,
}

impl Client {
    pub fn over(channel: Channel, token: &str) -> Self {
        let authorization = if token.is_empty() { Authorization(None) } else { Authorization::bearer(token) };
        Self::with(channel, authorization)
    }

    pub fn with(channel: Channel, authorization: Authorization) -> Self {
        Self {
            sockets: SocketGatewayServiceClient::with_interceptor(channel.clone(), authorization.clone()),
            sessions: SessionServiceClient::with_interceptor(channel.clone(), authorization),
            channel,
        }
    }

    /// The same call of everybody: what they are answered is what counts.
    pub async fn looks(&mut self) -> Result<Vec<proto::Session>, Status> {
        let listed = within(self.sessions.list_sessions(proto::ListSessionsRequest::default())).await;
        listed.map(|listed| listed.into_inner().sessions)
    }

    pub async fn subscribe(&mut self, subscriber: &str) -> Result<Envelopes, Status> {
        let request = proto::SubscribeRequest { subscriber: subscriber.into(), ..Default::default() };
        let mut stream = within(self.sockets.subscribe(request)).await?.into_inner();
        let start = within(stream.next()).await.expect("a start")?;
        assert!(start.start.is_some());
        Ok(Envelopes(stream))
    }
}

/// A stream of a subscriber, after its start.
pub struct Envelopes(pub tonic::Streaming<proto::SubscribeResponse>);

impl Envelopes {
    /// The next message.
    pub async fn next(&mut self) -> Result<Vec<proto::Envelope>, Status> {
        let message = within(self.0.next()).await.expect("the stream ends with a status");
        message.map(|message| message.envelopes)
    }

    /// Reads on until the stream ends.
    pub async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.next().await {
                return status;
            }
        }
    }

    /// Whether nothing is there to be read.
    pub async fn is_quiet(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(100), self.0.next()).await.is_err()
    }
}

/// That credentials were refused, and that nothing is said of why.
#[track_caller]
pub fn assert_refused(status: &Status, how: &str) {
    let (reason, metadata) = reason(status);
    assert_eq!(
        (status.code(), reason.as_str(), metadata.len()),
        (Code::Unauthenticated, "UNAUTHENTICATED", 0),
        "{how}"
    );
    let constant = "the call has no credentials that this gateway accepts: send the header \"authorization: Bearer TOKEN\", or use \
                    a client certificate that it knows";
    assert_eq!(status.message(), constant, "{how}");
}

pub fn client_config(authority: &str, pair: Option<&Pair>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).expect("a certificate")).expect("an authority");
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let builder = builder.with_root_certificates(roots);
    let mut config = match pair {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("a certificate")];
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
            builder.with_client_auth_cert(chain, key).expect("they belong together")
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

pub async fn shake_hands(addr: SocketAddr, config: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(addr).await?;
    TlsConnector::from(config).connect(ServerName::try_from("localhost").expect("a name"), stream).await
}

pub async fn tls_channel(addr: SocketAddr, config: Arc<ClientConfig>) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{addr}")).expect("an address").connect_timeout(PATIENCE);
    let connector = tower::service_fn(move |_| {
        let config = Arc::clone(&config);
        async move { shake_hands(addr, config).await.map(TokioIo::new) }
    });
    endpoint.connect_with_connector(connector).await
}
