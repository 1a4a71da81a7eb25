//! The credentials in force, and their replacement while the gateway runs.

use std::{convert::Infallible, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{sync::watch, task::spawn_blocking, time::sleep};

use super::{About, Credentials, Problem, Sources};

struct InForce {
    sources: Arc<Sources>,
    credentials: Credentials,
}

/// The credentials in force. Handshakes and calls take what is in force when they come; streams are told of changes.
pub struct Live {
    in_force: ArcSwap<InForce>,
    changes: watch::Sender<u64>,
}

impl Live {
    /// With credentials from these sources.
    ///
    /// # Errors
    /// Everything that is wrong with their files.
    pub fn load(sources: Sources) -> Result<Self, Vec<Problem>> {
        let credentials = sources.load()?;
        let in_force = InForce { sources: Arc::new(sources), credentials };
        Ok(Self { in_force: ArcSwap::from_pointee(in_force), changes: watch::Sender::new(0) })
    }

    /// Looks at what is in force.
    pub fn with<T>(&self, look: impl FnOnce(&Credentials) -> T) -> T {
        look(&self.in_force.load().credentials)
    }

    /// Whether TLS is spoken. Fixed while the gateway runs.
    pub fn has_tls(&self) -> bool {
        self.with(|credentials| credentials.tls.is_some())
    }

    /// Whether callers are asked who they are. Fixed while the gateway runs.
    pub fn has_identity(&self) -> bool {
        self.with(|credentials| credentials.authenticator.is_some())
    }

    /// Is signalled whenever the credentials were replaced.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Loads credentials from new sources. They come into force when the function is called that is returned.
    ///
    /// # Errors
    /// Everything that is wrong; what is in force stays.
    pub fn prepare(self: &Arc<Self>, sources: Sources) -> Result<impl FnOnce() + Send + use<>, Vec<Problem>> {
        let mut problems = self.fixed(&sources);
        let credentials = sources.load().map_err(|found| problems.extend(found));
        match credentials {
            Ok(credentials) if problems.is_empty() => {
                let this = Arc::clone(self);
                Ok(move || this.replace(InForce { sources: Arc::new(sources), credentials }))
            }
            _ => Err(problems),
        }
    }

    /// Every client of a port knows whether it speaks TLS, and whether everybody owns everything in the gateway or nobody does what is
    /// another's: neither can change under those who are there.
    fn fixed(&self, sources: &Sources) -> Vec<Problem> {
        let told = |message: &str| Problem { about: About::Restart, message: message.to_owned() };
        let tls = (self.has_tls() != sources.tls.is_some())
            .then(|| told("TLS cannot be switched on or off while the gateway runs: restart it"));
        let identity = (self.has_identity() != sources.have_identity())
            .then(|| told("identity cannot be introduced or dropped while the gateway runs: restart it"));
        tls.into_iter().chain(identity).collect()
    }

    fn replace(&self, next: InForce) {
        self.in_force.store(Arc::new(next));
        self.changes.send_modify(|version| *version += 1);
    }

    /// Looks for changed files every so often, and loads them. Files that are no good (half written, a key without its certificate)
    /// leave in force what is there, and are looked at again when they change.
    pub async fn watch_files(self: Arc<Self>, every: Duration) -> Infallible {
        let mut refused = None;
        loop {
            sleep(every).await;
            let in_force = self.in_force.load_full();
            let sources = Arc::clone(&in_force.sources);
            let looked = spawn_blocking(move || {
                let fingerprint = sources.fingerprint();
                let known = fingerprint == in_force.credentials.fingerprint || Some(fingerprint) == refused;
                (fingerprint, in_force, (!known).then(|| sources.load()))
            });
            // It neither panics nor is it cancelled but with the whole process.
            let Ok((fingerprint, before, Some(loaded))) = looked.await else { continue };
            match loaded {
                // A reload of the whole configuration may have come in between: it read the same files, or newer ones.
                Ok(credentials) if Arc::ptr_eq(&before, &self.in_force.load_full()) => {
                    let sources = Arc::clone(&before.sources);
                    self.replace(InForce { sources, credentials });
                    refused = None;
                    tracing::info!("changed certificates or keys are in force");
                }
                Ok(_) => {}
                Err(problems) => {
                    refused = Some(fingerprint);
                    for problem in problems {
                        tracing::warn!(
                            problem = problem.message,
                            "changed certificates or keys are no good; the old ones stay in force"
                        );
                    }
                }
            }
        }
    }
}
