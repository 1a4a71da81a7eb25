//! Reload: the whole configuration is read again. Where anything in it is wrong nothing changes; otherwise everything that can change
//! while the gateway runs changes together, and what needs a restart is named.

use std::{ffi::OsString, sync::Arc};

use super::{descriptors::fit_descriptors, logging::Logs};
use crate::{
    config::{Config, Flags},
    credentials::Live,
    error::io_sentence,
    gateway::Gateway,
};

/// Where the configuration came from, and what of it is in force.
pub(super) struct Reload {
    flags: Flags,
    environment: Vec<(OsString, OsString)>,
    started: Config,
    in_force: Config,
}

impl Reload {
    pub(super) fn new(flags: Flags, environment: Vec<(OsString, OsString)>, started: &Config) -> Self {
        Self { flags, environment, started: started.clone(), in_force: started.clone() }
    }

    /// Reads the configuration again and puts it into force.
    pub(super) fn reload(&mut self, gateway: &Arc<Gateway>, credentials: &Arc<Live>, logs: &Logs) {
        let config = match Config::load(&self.flags, &self.environment) {
            Ok(config) => config,
            Err(faults) => {
                for fault in faults.iter() {
                    tracing::error!(origin = %fault.origin, "reload refused: {fault}");
                }
                let faults = faults.iter().count();
                tracing::error!(
                    faults,
                    "reload refused: nothing has changed; correct the configuration and send SIGHUP again"
                );
                return;
            }
        };
        // Everything that can fail comes first.
        let swap = match credentials.prepare(config.sources()) {
            Ok(swap) => swap,
            Err(problems) => {
                for problem in problems {
                    tracing::error!("reload refused: nothing has changed: {}", problem.message);
                }
                return;
            }
        };
        // Whoever moved the file away wants a new one; where that fails, the old one goes on and nothing else changes.
        let reopen = match gateway.audit.prepare_reopen() {
            Ok(reopen) => reopen,
            Err(error) => {
                let error = io_sentence(&error);
                tracing::error!(error, "reload refused: the audit log cannot be opened anew; nothing has changed");
                return;
            }
        };
        reopen();
        swap();
        self.apply(config, gateway, logs);
    }

    /// Nothing in here can fail.
    fn apply(&mut self, config: Config, gateway: &Arc<Gateway>, logs: &Logs) {
        let restart = config.restart_differences(&self.started);
        let config = config.as_started(&self.started);
        let differences = config.live_differences(&self.in_force);
        logs.apply(&config.log);
        let mut limits = config.limits.clone();
        fit_descriptors(&mut limits);
        let own_differ = config.own_quotas != self.in_force.own_quotas;
        gateway.limit(limits, config.quotas());
        if own_differ {
            tracing::info!(
                identities = config.own_quotas.len(),
                "reload: the quotas of single identities are replaced"
            );
        }
        let policy = config.policy();
        if policy != self.in_force.policy() {
            gateway.policy.replace(Arc::new(policy));
            let (dial, bind) = (config.rules.dial.len(), config.rules.bind.len());
            tracing::info!(dial, bind, "reload: the policy is replaced; what is open stays open");
        }
        for difference in &differences {
            tracing::info!(setting = difference.key, from = %difference.from, to = %difference.to, "reload: changed");
        }
        for difference in &restart {
            tracing::warn!("reload: needs a restart, and is as it was: {difference}");
        }
        self.in_force = config;
        tracing::info!(changed = differences.len(), needs_restart = restart.len(), "reloaded");
    }
}
