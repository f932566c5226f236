//! Splits events into calls. Pure arithmetic.

use std::ops::Range;

use super::MAX_ENTRIES;

/// Splits entries of these sizes, in order, into calls of at most ten entries and `max_bytes` bytes. A larger entry
/// gets a call of its own.
pub(crate) fn chunks(sizes: &[usize], max_bytes: usize) -> Vec<Range<usize>> {
    let mut chunks = Vec::new();
    let (mut start, mut bytes) = (0, 0_usize);
    for (at, size) in sizes.iter().enumerate() {
        if at > start && (at - start == MAX_ENTRIES || bytes.saturating_add(*size) > max_bytes) {
            chunks.push(start..at);
            (start, bytes) = (at, 0);
        }
        bytes = bytes.saturating_add(*size);
    }
    if start < sizes.len() {
        chunks.push(start..sizes.len());
    }
    chunks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn calls_are_filled_up_to_count_and_bytes() {
        // The expected values are the lengths of the calls.
        let check = |sizes: &[usize], expected: &[usize]| {
            let lengths: Vec<_> = chunks(sizes, 100).iter().map(ExactSizeIterator::len).collect();
            assert_eq!(lengths, expected, "{sizes:?}");
        };
        check(&[], &[]);
        check(&[1], &[1]);
        check(&[1; 10], &[10]);
        check(&[1; 21], &[10, 10, 1]);
        check(&[50, 50, 1], &[2, 1]);
        check(&[60, 50], &[1, 1]);
        check(&[200, 1], &[1, 1]);
        check(&[1, usize::MAX, usize::MAX], &[1, 1, 1]);
    }

    proptest! {
        #[test]
        fn every_entry_is_in_one_call_and_no_call_breaks_a_limit(
            sizes in prop::collection::vec(0_usize..150, 0..60),
        ) {
            let chunks = chunks(&sizes, 100);
            let all: Vec<usize> = chunks.iter().cloned().flatten().collect();
            prop_assert_eq!(all, (0..sizes.len()).collect::<Vec<_>>());
            for chunk in chunks {
                prop_assert!(!chunk.is_empty() && chunk.len() <= MAX_ENTRIES);
                prop_assert!(chunk.len() == 1 || sizes[chunk].iter().sum::<usize>() <= 100);
            }
        }
    }
}
