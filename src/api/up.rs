//! What comes up an Attach stream.

use bytes::{Buf, BufMut};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType},
};

use super::proto::AttachRequest;

/// A message up an Attach stream: the generated one, taken out of the stream's buffer whole before it is read.
///
/// What it is made of is read number by number, and each step through that buffer costs several times what one through a piece of
/// memory does. Nothing is copied: payloads are parts of the same piece.
#[derive(Debug, Default)]
pub struct AttachCommand(pub(super) AttachRequest);

impl Message for AttachCommand {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        self.0.encode_raw(buffer);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        self.0.merge_field(tag, wire_type, buffer, context)
    }

    fn encoded_len(&self) -> usize {
        self.0.encoded_len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }

    fn merge(&mut self, mut buffer: impl Buf) -> Result<(), DecodeError> {
        let whole = buffer.copy_to_bytes(buffer.remaining());
        self.0.merge(whole)
    }
}
