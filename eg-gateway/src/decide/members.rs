//! Decides which of the gateways of a store does what. Each function is one gateway's: that one attempts its deliveries, so that its
//! limits, order of retries and circuit breaker need no agreement. While the gateways change, two may believe that a function is
//! theirs; the store keeps them from attempting the same delivery.

use ring::digest::{SHA256, digest};

use super::lanes::Lane;

/// The gateways of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Members {
    /// The number of this one.
    own: i64,
    /// The numbers of all, in ascending order.
    all: Vec<i64>,
}

impl Default for Members {
    fn default() -> Self {
        Self::alone(0)
    }
}

impl Members {
    /// Creates the members of a store that only this gateway uses.
    pub(crate) fn alone(own: i64) -> Self {
        Self { own, all: vec![own] }
    }

    /// Creates members from the numbers of all of them.
    #[cfg(any(test, feature = "postgres"))]
    pub(crate) fn new(own: i64, mut all: Vec<i64>) -> Self {
        all.sort_unstable();
        Self { own, all }
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.all == [self.own]
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// Returns whether this gateway does what must be done once: jobs and retention.
    pub(crate) fn leads(&self) -> bool {
        self.all.first() == Some(&self.own)
    }

    /// Returns whether this gateway attempts the deliveries of a lane. When a gateway joins or leaves, only the lanes that are its
    /// own change hands (rendezvous hashing).
    pub(crate) fn owns(&self, lane: &Lane) -> bool {
        self.is_alone() || self.all.iter().max_by_key(|member| weight(lane, **member)) == Some(&self.own)
    }
}

/// Returns how strong the claim of a gateway to a lane is. Gateways of other versions must agree.
fn weight(lane: &Lane, member: i64) -> [u8; 32] {
    let text = format!("{member}\0{}\0{}", lane.space, lane.function);
    let mut weight = [0; 32];
    weight.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    weight
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes() -> Vec<Lane> {
        (0..3_000).map(|n| Lane { space: "s".to_owned(), function: format!("f{n}") }).collect()
    }

    fn owned(own: i64, all: &[i64]) -> Vec<Lane> {
        let members = Members::new(own, all.to_vec());
        lanes().into_iter().filter(|lane| members.owns(lane)).collect()
    }

    #[test]
    fn each_lane_has_one_gateway_and_each_gateway_a_fair_share() {
        let all = [3, 7, 8];
        let shares = all.map(|own| owned(own, &all));
        assert_eq!(shares.iter().map(Vec::len).sum::<usize>(), lanes().len());
        assert!(
            shares.iter().all(|share| (900..1_100).contains(&share.len())),
            "{:?}",
            shares.map(|s| s.len())
        );
    }

    #[test]
    fn only_the_lanes_of_a_gateway_that_leaves_change_hands() {
        for own in [3, 8] {
            let (before, after) = (owned(own, &[3, 7, 8]), owned(own, &[3, 8]));
            assert!(before.iter().all(|lane| after.contains(lane)));
        }
    }

    #[test]
    fn the_oldest_gateway_does_what_must_be_done_once() {
        assert!(Members::alone(7).leads() && Members::alone(7).is_alone());
        assert!(Members::new(3, vec![8, 3]).leads());
        assert!(!Members::new(8, vec![3, 8]).leads());
        assert!(Members::default().owns(&lanes()[0]));
    }
}
