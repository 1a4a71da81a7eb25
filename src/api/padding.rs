//! Fills short messages up, so that a reader that lags is not cut off by its own HTTP/2 stack.
//!
//! From 0.4.16 on h2, which every Rust client is built on, keeps a budget per connection: a DATA frame with less than 256 bytes of
//! payload takes what it lacks from it until the program has read the frame, a longer one gives back what it has more. An empty
//! budget ends the whole connection, whatever runs on it, and nothing tells a server what a client has read. A stream therefore
//! keeps the same account as if nothing were ever read. What is within a small allowance goes out as it is; beyond it a short
//! message is filled up, and costs the reader nothing. HTTP/2's windows bound what is unread then, the backlog fills behind them,
//! and messages become long by themselves.
//!
//! Clients of gRPC's own implementations (their user agent begins with "grpc-", as its HTTP/2 protocol document asks) have no such
//! budget and are spared the filling.
//!
//! Filling rather than waiting for more to say: a prompt that is read at once must not wait, and one byte every 20 ms exhausts the
//! budget of a stalled reader within five seconds all the same.

use bytes::Bytes;
use tonic::metadata::MetadataMap;

/// Frames from here on are free.
const FREE_BYTES: usize = 256;
/// gRPC's, before each message.
const PREFIX_BYTES: usize = 5;
/// Time, status, output, sequence and event; to measure each of many costs more than it tells.
const LEAST_ENVELOPE_BYTES: usize = 16;
/// A tenth of the budget that h2 0.4.16 begins with, later ones have more: several streams may share a connection with calls.
const ALLOWANCE: usize = 2560;

static FILLING: [u8; FREE_BYTES] = [0; FREE_BYTES];

/// One stream's account.
pub(super) struct Padding {
    /// None: the client needs no filling.
    allowance: Option<usize>,
}

impl Padding {
    /// An account for the client that sent these headers.
    pub(super) fn new(headers: &MetadataMap) -> Self {
        let agent = headers.get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        // grpcurl and others put their own name before it.
        let spared = agent.split_whitespace().any(|product| product.starts_with("grpc-"));
        Self { allowance: (!spared).then_some(ALLOWANCE) }
    }

    /// The filling of a message that has so many envelopes and this length.
    pub(super) fn of(&mut self, envelopes: usize, encoded_bytes: impl FnOnce() -> usize) -> Bytes {
        let Some(allowance) = &mut self.allowance else { return Bytes::new() };
        let least = envelopes * LEAST_ENVELOPE_BYTES;
        let frame = PREFIX_BYTES + if least < FREE_BYTES { encoded_bytes() } else { least };
        let Some(lack) = FREE_BYTES.checked_sub(frame) else {
            *allowance = (*allowance + frame - FREE_BYTES).min(ALLOWANCE);
            return Bytes::new();
        };
        match allowance.checked_sub(lack) {
            Some(left) => {
                *allowance = left;
                Bytes::new()
            }
            None => Bytes::from_static(&FILLING[..lack]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// h2's account of a reader that reads nothing.
    struct Unread(usize);

    impl Unread {
        fn take(&mut self, frame: usize) {
            self.0 = match FREE_BYTES.checked_sub(frame) {
                Some(lack) => self.0.checked_sub(lack).expect("the connection is not cut off"),
                None => (self.0 + frame - FREE_BYTES).min(ALLOWANCE),
            };
        }
    }

    #[test]
    fn a_reader_that_never_reads_is_within_its_budget_whatever_the_lengths() {
        let (mut padding, mut reader) = (Padding::new(&MetadataMap::new()), Unread(ALLOWANCE));
        for at in 0..100_000_usize {
            // Mostly short ones, some about the border, a long one now and then.
            let message = [at % 5, 100 + at % 50, 240 + at % 20, at % 256][at % 4] + 2000 * usize::from(at % 97 == 0);
            let filling = padding.of(0, || message).len();
            reader.take(PREFIX_BYTES + message + filling);
        }
    }

    #[test]
    fn nothing_is_filled_up_before_the_allowance_is_used_or_after_it_was_earned() {
        let mut padding = Padding::new(&MetadataMap::new());
        let free =
            |padding: &mut Padding| (0..).take_while(|_| padding.of(1, || 128 - PREFIX_BYTES).is_empty()).count();
        assert_eq!(free(&mut padding), ALLOWANCE / 128);
        assert_eq!(padding.of(0, || 0).len(), FREE_BYTES - PREFIX_BYTES);
        assert!(padding.of(1, || 64 * 1024).is_empty(), "a long message is never filled up");
        assert_eq!(free(&mut padding), ALLOWANCE / 128, "and earns the allowance back");
    }

    #[test]
    fn clients_that_have_no_such_budget_are_spared() {
        for (agent, spared) in [
            ("grpcurl/v1.9.3 grpc-go/1.61.0", true),
            ("grpc-python/1.85.1 grpc-c/50.0.0 (linux)", true),
            ("tonic/0.14.9", false),
        ] {
            let mut headers = MetadataMap::new();
            headers.insert("user-agent", agent.parse().expect("a header"));
            let mut padding = Padding::new(&headers);
            assert_eq!((0..1000).all(|_| padding.of(1, || 100).is_empty()), spared, "{agent}");
        }
    }
}
