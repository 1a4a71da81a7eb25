//! Ids within their namespaces.

use std::{borrow::Borrow, fmt, sync::Arc};

use hashbrown::Equivalent;

/// An id and the namespace it is unique in. Tables keyed by it are searched by `(namespace, id)` as plain text, without making one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scoped<Id> {
    /// Whose.
    pub namespace: Arc<str>,
    /// Unique there.
    pub id: Id,
}

impl<Id> Scoped<Id> {
    /// An id of this namespace.
    pub fn new(namespace: &Arc<str>, id: Id) -> Self {
        Self { namespace: Arc::clone(namespace), id }
    }
}

impl<Id: fmt::Display> fmt::Debug for Scoped<Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.id)
    }
}

// The hashes agree: both derive theirs field by field from text.
impl<Id: Borrow<str>> Equivalent<Scoped<Id>> for (&str, &str) {
    fn equivalent(&self, key: &Scoped<Id>) -> bool {
        self.0 == &*key.namespace && self.1 == key.id.borrow()
    }
}

#[cfg(test)]
mod tests {
    use std::hash::RandomState;

    use super::*;
    use crate::envelope::SessionId;

    #[test]
    fn a_table_of_scoped_ids_is_searched_by_plain_text_and_tells_namespaces_apart() {
        let mut table: hashbrown::HashMap<Scoped<SessionId>, u8, RandomState> = hashbrown::HashMap::default();
        table.insert(Scoped::new(&"a".into(), SessionId::new("s")), 1);
        table.insert(Scoped::new(&"b".into(), SessionId::new("s")), 2);
        assert_eq!((table.get(&("a", "s")), table.get(&("b", "s"))), (Some(&1), Some(&2)));
        assert_eq!((table.get(&("", "s")), table.get(&("as", ""))), (None, None));
    }
}
