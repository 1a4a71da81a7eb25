//! What is sent.

use bytes::Bytes;

use crate::proto::{PayloadItem, payload_item::Item};

/// What is appended to every text.
pub use crate::proto::LineTerminator as Terminator;

/// One or more items, each written on its own, in order. Text is followed by the send's terminator, bytes go out as they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Payload(Vec<PayloadItem>);

impl Payload {
    /// No item: an exchange without payload waits for what the peer says by itself.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds text.
    #[must_use]
    pub fn and_text(self, text: impl Into<String>) -> Self {
        self.and(Item::Text(text.into()))
    }

    /// Adds bytes.
    #[must_use]
    pub fn and_bytes(self, bytes: impl Into<Bytes>) -> Self {
        self.and(Item::Bytes(bytes.into()))
    }

    fn and(mut self, item: Item) -> Self {
        self.0.push(PayloadItem { item: Some(item) });
        self
    }

    /// How many bytes go out.
    pub(crate) fn len(&self, terminator: Terminator) -> u64 {
        let end = match terminator {
            Terminator::Unspecified | Terminator::None => 0,
            Terminator::Lf | Terminator::Cr => 1,
            Terminator::Crlf => 2,
        };
        let bytes = self.0.iter().map(|item| match &item.item {
            Some(Item::Text(text)) => text.len() + end,
            Some(Item::Bytes(bytes)) => bytes.len(),
            None => 0,
        });
        bytes.sum::<usize>() as u64
    }

    pub(crate) fn into_items(self) -> Vec<PayloadItem> {
        self.0
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        Self::none().and_text(text)
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self::none().and_text(text)
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::none().and_bytes(bytes)
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self::none().and_bytes(bytes)
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        Self::none().and_bytes(bytes.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Payload {
    fn from(bytes: &[u8; N]) -> Self {
        Self::none().and_bytes(bytes.to_vec())
    }
}

/// One datagram.
pub(crate) fn datagram(bytes: Bytes) -> PayloadItem {
    PayloadItem { item: Some(Item::Bytes(bytes)) }
}
