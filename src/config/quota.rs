//! What single identities may use: `[[quota.identities]]`.

use std::{collections::HashMap, sync::Arc};

use toml::de::DeTable;

use super::{document::Document, fault::Fault, fields::each_table};
use crate::quota::Quota;

/// The lists in the table `quota`.
pub(super) const LISTS: [&str; 1] = [IDENTITIES];
const IDENTITIES: &str = "quota.identities";

/// As many may have quotas of their own; the same bound as that of tokens.
const MOST: usize = 4096;

/// Reads the list. What an entry leaves out is as in `all`.
pub(super) fn read(
    document: &Document,
    table: &DeTable<'_>,
    all: Quota,
    faults: &mut Vec<Fault>,
) -> HashMap<Arc<str>, Quota> {
    let mut found = HashMap::new();
    let Some(table) = table.get("quota").and_then(|value| value.get_ref().as_table()) else { return found };
    each_table(document, table, "identities", IDENTITIES, faults, |fields, at| {
        if at == MOST {
            fields.fault("identity", format_args!("is one too many: {MOST} identities may have quotas of their own"));
        }
        let identity = fields.required_text("identity", "whose quotas these are, as the audit log names it");
        let mut own = all;
        for (field, value) in [
            ("sessions", &mut own.sessions),
            ("listeners", &mut own.listeners),
            ("subscribers", &mut own.subscribers),
            ("streams", &mut own.streams),
            ("pending_connects", &mut own.pending_connects),
            ("dials_per_second", &mut own.dials_per_second),
            ("backlog_bytes", &mut own.backlog_bytes),
            ("received_bytes_per_second", &mut own.received_bytes_per_second),
            ("sent_bytes_per_second", &mut own.sent_bytes_per_second),
        ] {
            *value = fields.number(field).unwrap_or(*value);
        }
        if !identity.is_empty() && found.insert(Arc::from(identity.as_str()), own).is_some() {
            fields.fault("identity", format_args!("\"{identity}\" has quotas already, further up"));
        }
    });
    found
}
