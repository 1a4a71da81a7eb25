//! `sessions`: lists sessions and listeners.

use clap::Args;
use socket_gateway_client::{Sessions as Client, proto};

use super::{
    end::End,
    output::{self, Format},
    target::Target,
    view::{self, Column},
};

const PAGE: u32 = 1000;

#[derive(Args)]
pub(crate) struct Sessions {
    /// Only sessions whose data or lifecycle this subscriber holds
    #[arg(long, value_name = "NAME", default_value = "")]
    subscriber: String,
    /// The listeners instead
    #[arg(long, short = 'l')]
    listeners: bool,
    #[command(flatten)]
    target: Target,
}

impl Sessions {
    pub(crate) async fn run(self) -> Result<(), End> {
        let (_, mut client) = self.target.calls()?;
        if self.listeners {
            let listeners = listeners(&mut client).await?;
            if self.target.format() == Format::Json {
                return listeners
                    .iter()
                    .try_for_each(|listener| output::write_json(&output::json("Listener", listener)));
            }
            let rows = listeners.iter().map(|listener| {
                let local = format!("{}:{}", listener.local_host, listener.local_port);
                let (accepted, living) = (listener.accepted.to_string(), listener.sessions.to_string());
                [listener.listener_id.clone(), local, listener.subscriber.clone(), living, accepted]
            });
            return output::write(
                view::table(["LISTENER", "ADDRESS", "SUBSCRIBER", "SESSIONS", "ACCEPTED"], rows).as_bytes(),
            );
        }
        let sessions = sessions(&mut client, &self.subscriber).await?;
        if self.target.format() == Format::Json {
            return sessions.iter().try_for_each(|session| output::write_json(&output::json("Session", session)));
        }
        let rows = sessions.iter().map(|session| Column::ALL.map(|column| column.of(session)));
        output::write(view::table(Column::ALL.map(Column::title), rows).as_bytes())
    }
}

/// All sessions, page by page.
pub(crate) async fn sessions(client: &mut Client, subscriber: &str) -> Result<Vec<proto::Session>, End> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = proto::ListSessionsRequest {
            page_size: PAGE,
            page_token,
            subscriber: subscriber.to_owned(),
            ..Default::default()
        };
        let page = client.list_sessions(request).await?.into_inner();
        all.extend(page.sessions);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

async fn listeners(client: &mut Client) -> Result<Vec<proto::Listener>, End> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = proto::ListListenersRequest { page_size: PAGE, page_token, ..Default::default() };
        let page = client.list_listeners(request).await?.into_inner();
        all.extend(page.listeners);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}
