//! How idle workers are shared between functions, so that one that hangs cannot take them all.

/// How many deliveries each function may start now. `in_flight` says for each function with work how many of its
/// deliveries are under way; `free` workers are idle.
///
/// A function may start another delivery only while it holds fewer workers than are idle. One hung function thus
/// ends up with half of them, two with a third each, and so on: something is left for the next function, while a
/// single busy one is not held back by a fixed limit.
pub(crate) fn allot(in_flight: &[usize], mut free: usize) -> Vec<usize> {
    let mut granted = vec![0; in_flight.len()];
    loop {
        let before = free;
        for (grant, busy) in granted.iter_mut().zip(in_flight) {
            if *grant + busy < free {
                *grant += 1;
                free -= 1;
            }
        }
        if free == before {
            return granted;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares() {
        for (in_flight, free, expected) in [
            (&[0][..], 1, &[1][..]),
            (&[0], 100, &[50]),
            (&[50], 50, &[0]),
            (&[50, 0], 50, &[0, 25]),
            (&[0, 0], 99, &[33, 33]),
            (&[0, 0, 0], 2, &[1, 1, 0]),
            (&[], 5, &[]),
        ] {
            assert_eq!(allot(in_flight, free), expected, "{in_flight:?} with {free} free");
        }
    }

    proptest! {
        #[test]
        fn something_is_left_for_one_more(workers in 1usize..300, functions in 1usize..30) {
            let granted = allot(&vec![0; functions], workers);
            let busy: usize = granted.iter().sum();
            prop_assert!(busy <= workers);
            prop_assert!(busy > 0);
            if workers > functions {
                prop_assert!(busy < workers, "{granted:?} leaves nothing of {workers}");
                prop_assert!(granted.iter().all(|grant| *grant > 0), "{granted:?} starves a function");
                prop_assert_eq!(allot(&[0], workers - busy)[0].min(1), 1);
            }
        }

        #[test]
        fn never_more_than_free(in_flight in prop::collection::vec(0usize..50, 0..20), free in 0usize..200) {
            prop_assert!(allot(&in_flight, free).iter().sum::<usize>() <= free);
        }
    }
}
