//! Shares idle workers between functions, so that a function that hangs cannot take them all. The engine starts the
//! deliveries.

/// A function with deliveries to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Number of deliveries to it under way.
    pub(crate) in_flight: usize,
    /// Number of further deliveries that its own limits allow.
    pub(crate) room: usize,
}

/// Returns how many deliveries each function may start now, with `free` idle workers.
///
/// A function may start another delivery only while it has fewer workers than are idle. One hung function therefore
/// occupies half of the workers, two a third each, and so on. Some are always left for the next function, and a single
/// busy function needs no fixed limit.
pub(crate) fn allot(demands: &[Demand], mut free: usize) -> Vec<usize> {
    let mut granted = vec![0; demands.len()];
    loop {
        let before = free;
        for (grant, demand) in granted.iter_mut().zip(demands) {
            if *grant < demand.room && *grant + demand.in_flight < free {
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

    fn unlimited(in_flight: &[usize]) -> Vec<Demand> {
        in_flight.iter().map(|in_flight| Demand { in_flight: *in_flight, room: usize::MAX }).collect()
    }

    #[test]
    fn limits_are_kept() {
        let demand = |in_flight, room| Demand { in_flight, room };
        for (demands, free, expected) in [
            (&[demand(0, 3)][..], 100, &[3][..]),
            (&[demand(2, 0), demand(0, 9)], 10, &[0, 5]),
            (&[demand(0, 1), demand(0, usize::MAX)], 10, &[1, 5]),
        ] {
            assert_eq!(allot(demands, free), expected, "{demands:?} with {free} free");
        }
    }

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
            assert_eq!(allot(&unlimited(in_flight), free), expected, "{in_flight:?} with {free} free");
        }
    }

    proptest! {
        #[test]
        fn something_is_left_for_one_more(workers in 1usize..300, functions in 1usize..30) {
            let granted = allot(&unlimited(&vec![0; functions]), workers);
            let busy: usize = granted.iter().sum();
            prop_assert!(busy <= workers);
            prop_assert!(busy > 0);
            if workers > functions {
                prop_assert!(busy < workers, "{granted:?} leaves nothing of {workers}");
                prop_assert!(granted.iter().all(|grant| *grant > 0), "{granted:?} starves a function");
                prop_assert_eq!(allot(&unlimited(&[0]), workers - busy)[0].min(1), 1);
            }
        }

        #[test]
        fn never_more_than_free(in_flight in prop::collection::vec(0usize..50, 0..20), free in 0usize..200) {
            prop_assert!(allot(&unlimited(&in_flight), free).iter().sum::<usize>() <= free);
        }
    }
}
