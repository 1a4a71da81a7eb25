//! Taps: copies of what a session moves, for operators who look at it.
//!
//! A session asks one relaxed flag whether anybody taps it. A tap has a bounded queue of its own; what finds no room there is counted
//! and told with the next record, so that a slow tapper loses records and the session loses nothing, not even time.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::SystemTime,
};

use bytes::Bytes;

use crate::{envelope::CloseReason, metrics::Metrics};

/// What a record costs on top of its bytes.
const RECORD_OVERHEAD_BYTES: usize = 128;

/// Which way bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer.
    Received,
    /// To the peer.
    Sent,
}

/// Bytes that went by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapRecord {
    /// When.
    pub time: SystemTime,
    /// Which way.
    pub direction: Direction,
    /// How many bytes had gone this way before.
    pub offset: u64,
    /// The bytes.
    pub bytes: Bytes,
    /// UDP: the other side of the datagram.
    pub peer: Option<SocketAddr>,
    /// What was lost just before this record.
    pub lost: Lost,
}

/// What a tapper was too slow for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Records.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a tapper is given.
#[derive(Debug, PartialEq, Eq)]
pub enum Tapped {
    /// Some of what waits, oldest first; at least one record.
    Records(Vec<TapRecord>),
    /// The session has ended; what was lost since the last record.
    Ended(CloseReason, Lost),
}

/// One tap's queue.
#[derive(Debug)]
pub struct TapQueue {
    /// Longer pieces are cut into several records.
    record_bytes: usize,
    most_bytes: usize,
    metrics: Arc<Metrics>,
    state: Mutex<QueueState>,
}

#[derive(Debug, Default)]
struct QueueState {
    records: VecDeque<TapRecord>,
    bytes: usize,
    lost: Lost,
    ended: Option<CloseReason>,
    waker: Option<Waker>,
}

impl TapQueue {
    /// An empty queue of at most `most_bytes`, with records of at most `record_bytes`.
    pub fn new(record_bytes: usize, most_bytes: usize, metrics: Arc<Metrics>) -> Self {
        Self { record_bytes: record_bytes.max(1), most_bytes, metrics, state: Mutex::default() }
    }

    /// What waits, up to `most` bytes of it; after the end of the session only that.
    pub fn poll(&self, most: usize, cx: &Context<'_>) -> Poll<Tapped> {
        let mut state = self.lock();
        let mut taken = Vec::new();
        let mut bytes = 0;
        while bytes < most
            && let Some(record) = state.records.pop_front()
        {
            bytes += record.bytes.len() + RECORD_OVERHEAD_BYTES;
            taken.push(record);
        }
        state.bytes -= bytes;
        if !taken.is_empty() {
            return Poll::Ready(Tapped::Records(taken));
        }
        if let Some(reason) = state.ended {
            return Poll::Ready(Tapped::Ended(reason, std::mem::take(&mut state.lost)));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Copies a piece.
    fn push(&self, time: SystemTime, direction: Direction, offset: u64, bytes: &[u8], peer: Option<SocketAddr>) {
        let mut state = self.lock();
        // A datagram may be empty, and is a record all the same.
        let pieces = bytes.chunks(self.record_bytes).chain(bytes.is_empty().then_some(bytes));
        for (number, piece) in pieces.enumerate() {
            let cost = piece.len() + RECORD_OVERHEAD_BYTES;
            if state.bytes + cost > self.most_bytes {
                self.metrics.taps.records_dropped.increment();
                state.lost.records += 1;
                state.lost.bytes += piece.len() as u64;
                continue;
            }
            state.bytes += cost;
            let record = TapRecord {
                time,
                direction,
                offset: offset + (number * self.record_bytes) as u64,
                bytes: Bytes::copy_from_slice(piece),
                peer,
                lost: std::mem::take(&mut state.lost),
            };
            state.records.push_back(record);
        }
        wake(state);
    }

    fn end(&self, reason: CloseReason) {
        let mut state = self.lock();
        state.ended = Some(reason);
        wake(state);
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(mut state: MutexGuard<'_, QueueState>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The taps of one session.
#[derive(Debug, Default)]
pub struct Taps {
    any: AtomicBool,
    table: Mutex<TapTable>,
}

#[derive(Debug, Default)]
struct TapTable {
    queues: Vec<Arc<TapQueue>>,
    ended: Option<CloseReason>,
}

impl Taps {
    /// Whether anybody looks. One relaxed load.
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Copies a piece for everybody who looks.
    #[cold]
    pub(super) fn copy(&self, direction: Direction, offset: u64, bytes: &[u8], peer: Option<SocketAddr>) {
        let time = SystemTime::now();
        for queue in &self.lock().queues {
            queue.push(time, direction, offset, bytes, peer);
        }
    }

    /// Begins to look. Where the session has ended meanwhile, that is all there is to see.
    pub fn add(&self, queue: &Arc<TapQueue>) {
        let mut table = self.lock();
        match table.ended {
            Some(reason) => queue.end(reason),
            None => {
                table.queues.push(Arc::clone(queue));
                self.any.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Stops to look.
    pub fn remove(&self, queue: &Arc<TapQueue>) {
        let mut table = self.lock();
        table.queues.retain(|other| !Arc::ptr_eq(other, queue));
        self.any.store(!table.queues.is_empty(), Ordering::Relaxed);
    }

    /// The session has ended.
    pub fn end(&self, reason: CloseReason) {
        let mut table = self.lock();
        table.ended = Some(reason);
        for queue in std::mem::take(&mut table.queues) {
            queue.end(reason);
        }
        self.any.store(false, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, TapTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(record_bytes: usize, most_bytes: usize) -> Arc<TapQueue> {
        Arc::new(TapQueue::new(record_bytes, most_bytes, Arc::default()))
    }

    fn next(queue: &TapQueue) -> Option<Tapped> {
        match queue.poll(usize::MAX, &Context::from_waker(Waker::noop())) {
            Poll::Ready(tapped) => Some(tapped),
            Poll::Pending => None,
        }
    }

    #[test]
    fn long_pieces_become_records_that_join_up_and_the_end_comes_last() {
        let (taps, queue) = (Taps::default(), queue(4, 10_000));
        assert!(!taps.any());
        taps.add(&queue);
        assert!(taps.any());
        taps.copy(Direction::Received, 100, b"0123456789", None);
        taps.copy(Direction::Sent, 7, b"", None);
        taps.end(CloseReason::PeerClosed);
        let Some(Tapped::Records(records)) = next(&queue) else { panic!("no records") };
        let seen: Vec<_> = records.iter().map(|record| (record.direction, record.offset, &record.bytes[..])).collect();
        let expected: [(Direction, u64, &[u8]); 4] = [
            (Direction::Received, 100, b"0123"),
            (Direction::Received, 104, b"4567"),
            (Direction::Received, 108, b"89"),
            (Direction::Sent, 7, b""),
        ];
        assert_eq!(seen, expected);
        assert_eq!(next(&queue), Some(Tapped::Ended(CloseReason::PeerClosed, Lost::default())));
        assert!(!taps.any());
    }

    #[test]
    fn what_finds_no_room_is_told_with_the_next_record_or_with_the_end() {
        let (taps, queue) = (Taps::default(), queue(100, 250));
        taps.add(&queue);
        for round in 0..3 {
            taps.copy(Direction::Sent, round * 100, &[0; 100], None);
        }
        let Some(Tapped::Records(records)) = next(&queue) else { panic!("no records") };
        assert_eq!((records.len(), records[0].lost), (1, Lost::default()));
        taps.copy(Direction::Sent, 300, &[0; 50], None);
        let Some(Tapped::Records(records)) = next(&queue) else { panic!("no records") };
        assert_eq!((records[0].offset, records[0].lost), (300, Lost { records: 2, bytes: 200 }));
        assert_eq!(queue.metrics.taps.records_dropped.get(), 2);
        taps.copy(Direction::Sent, 350, &[0; 100], None);
        taps.copy(Direction::Sent, 450, &[0; 100], None);
        taps.end(CloseReason::Abort);
        assert!(matches!(next(&queue), Some(Tapped::Records(_))));
        assert_eq!(next(&queue), Some(Tapped::Ended(CloseReason::Abort, Lost { records: 1, bytes: 100 })));
    }

    #[test]
    fn who_comes_after_the_end_sees_only_that_and_who_left_holds_nothing() {
        let (taps, queue) = (Taps::default(), queue(100, 250));
        taps.add(&queue);
        taps.remove(&queue);
        assert!(!taps.any());
        assert_eq!(Arc::strong_count(&queue), 1);
        taps.end(CloseReason::Timeout);
        taps.add(&queue);
        assert_eq!(next(&queue), Some(Tapped::Ended(CloseReason::Timeout, Lost::default())));
    }
}
