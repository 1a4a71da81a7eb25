//! Queues that are long for a moment, in sessions that may live for months.

use std::collections::VecDeque;

/// What a queue may keep room for although it is empty.
const KEPT_CAPACITY: usize = 16;

/// Takes the first, and gives back the memory of a queue that has become mostly empty.
pub(super) fn pop<T>(queue: &mut VecDeque<T>) -> Option<T> {
    let first = queue.pop_front();
    if queue.capacity() > KEPT_CAPACITY && queue.len() < queue.capacity() / 4 {
        queue.shrink_to(queue.capacity() / 2);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_was_long_for_a_moment_gives_its_memory_back() {
        let mut queue: VecDeque<usize> = (0..4096).collect();
        for n in 0..4096 {
            assert_eq!(pop(&mut queue), Some(n));
            assert!(queue.capacity() <= 4 * queue.len().max(8), "room for {} with {}", queue.capacity(), queue.len());
        }
        assert_eq!(pop(&mut queue), None);
    }
}
