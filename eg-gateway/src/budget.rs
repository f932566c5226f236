//! Limits what traffic may hold at once and divides it fairly: bytes of requests and answers, events that wait for the
//! store, calls under way. The callers decide what a refusal means.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// A quantity that all holders share. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    size: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    /// What each holder has. Holders that have nothing any more are forgotten from time to time.
    by_holder: HashMap<Holder, usize, BuildHasherDefault<Known>>,
}

/// The client, the space or the function on whose behalf something is held.
///
/// Holders are compared by a keyed hash of their name, so naming one allocates nothing. Two holders with the same hash
/// would share their shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    kind: Kind,
    hash: u64,
}

impl Hash for Holder {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Returns the hash that a holder has.
#[derive(Debug, Default)]
struct Known(u64);

impl Hasher for Known {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("holders write one number");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// The number of holders from which on those that have nothing are forgotten.
const MANY: usize = 1024;

/// The kinds of holders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Client,
    Space,
    Function,
}

impl Kind {
    /// Returns how many times what is left a holder of this kind may have. A client alone gets at most half of a budget, a
    /// function two thirds and a space three quarters, so a client cannot use up the share of its space.
    const fn times(self) -> usize {
        match self {
            Self::Client => 1,
            Self::Function => 2,
            Self::Space => 3,
        }
    }
}

/// The reason why nothing more can be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is not enough left.
    Full,
    /// A holder of this kind has its share.
    Share(Kind),
}

static HASH: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl Holder {
    /// Returns the client at an address. The addresses of one IPv6 network of 64 bits are one client, because one machine
    /// may use all of them.
    pub(crate) fn client(address: IpAddr) -> Self {
        let network = match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
            v4 @ IpAddr::V4(_) => v4,
        };
        Self::of(Kind::Client, network)
    }

    pub(crate) fn space(space: &str) -> Self {
        Self::of(Kind::Space, space)
    }

    pub(crate) fn function(space: &str, function: &str) -> Self {
        Self::of(Kind::Function, (space, function))
    }

    fn of(kind: Kind, name: impl Hash) -> Self {
        Self { kind, hash: HASH.hash_one(name) }
    }
}

impl Budget {
    pub(crate) fn new(size: usize) -> Self {
        Self(Arc::new(Shared { size, held: Mutex::default() }))
    }

    /// Reserves this much for the holders; `None` entries are nobody.
    ///
    /// A client may take something only while it has, including that, at most as much as is left. So one client gets at
    /// most half of the budget, two get a third each, and so on, and something is left for the next one. Functions and
    /// spaces get more, by the same rule. A reservation that is the only one may exceed the budget, so a request that is
    /// larger than the budget is processed alone.
    pub(crate) fn reserve(
        &self,
        holders: [Option<Holder>; 2],
        amount: usize,
    ) -> Result<Reservation, Refused> {
        let [first, second] = holders;
        let reservation =
            Reservation { budget: self.clone(), holders: [first, second, None], amount: AtomicUsize::new(0) };
        reservation.grow(amount)?;
        Ok(reservation)
    }

    /// Returns whether that much could be reserved now.
    pub(crate) fn check(&self, holders: [Option<Holder>; 2], amount: usize) -> Result<(), Refused> {
        self.0.may_take(&self.0.held(), holders.iter().flatten(), 0, amount)
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides whether a reservation of `own` may take `more`.
    fn may_take<'h>(
        &self,
        held: &Held,
        mut holders: impl Iterator<Item = &'h Holder>,
        own: usize,
        more: usize,
    ) -> Result<(), Refused> {
        if held.all == own {
            return Ok(());
        }
        let all = held.all.saturating_add(more);
        let left = self.size.checked_sub(all).ok_or(Refused::Full)?;
        if all <= left {
            // No holder has more than all have.
            return Ok(());
        }
        let has = |holder: &Holder| held.by_holder.get(holder).copied().unwrap_or_default();
        match holders.find(|holder| has(holder) + more > holder.kind.times() * left) {
            Some(holder) => Err(Refused::Share(holder.kind)),
            None => Ok(()),
        }
    }
}

/// A part of a budget that is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Budget,
    holders: [Option<Holder>; 3],
    amount: AtomicUsize,
}

impl Reservation {
    /// Reserves more for the same holders. If that is refused, the reservation stays as it is.
    pub(crate) fn grow(&self, more: usize) -> Result<(), Refused> {
        let mut held = self.budget.0.held();
        let own = self.amount.load(Ordering::Relaxed);
        self.budget.0.may_take(&held, self.holders.iter().flatten(), own, more)?;
        held.all += more;
        if held.by_holder.len() > MANY {
            held.by_holder.retain(|_, has| *has > 0);
        }
        for holder in self.holders.iter().flatten() {
            *held.by_holder.entry(*holder).or_default() += more;
        }
        self.amount.store(own + more, Ordering::Relaxed);
        Ok(())
    }

    /// Gives a part back.
    pub(crate) fn shrink(&self, less: usize) {
        let mut held = self.budget.0.held();
        let own = self.amount.load(Ordering::Relaxed);
        let less = less.min(own);
        held.all -= less;
        for holder in self.holders.iter().flatten() {
            held.release(holder, less);
        }
        self.amount.store(own - less, Ordering::Relaxed);
    }

    /// Gives back all but `amount`.
    pub(crate) fn shrink_to(&self, amount: usize) {
        self.shrink(self.amount.load(Ordering::Relaxed).saturating_sub(amount));
    }

    /// Counts what is reserved, and what will be, towards the share of a function too.
    pub(crate) fn join(&mut self, function: Holder) {
        let amount = *self.amount.get_mut();
        let [_, _, third] = &mut self.holders;
        let before = third.replace(function);
        let mut held = self.budget.0.held();
        if let Some(before) = before {
            held.release(&before, amount);
        }
        *held.by_holder.entry(function).or_default() += amount;
    }
}

impl Held {
    fn release(&mut self, holder: &Holder, amount: usize) {
        if let Some(has) = self.by_holder.get_mut(holder) {
            *has -= amount;
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(number: u8) -> Holder {
        Holder::client(IpAddr::from([10, 0, 0, number]))
    }

    #[test]
    fn what_is_taken_comes_back() {
        let budget = Budget::new(100);
        let (a, b) = (client(1), client(2));
        let first = budget.reserve([Some(a), None], 50).unwrap();
        assert_eq!(budget.reserve([Some(a), None], 1).unwrap_err(), Refused::Share(Kind::Client));
        let second = budget.reserve([Some(b), None], 25).unwrap();
        assert_eq!(second.grow(1), Err(Refused::Share(Kind::Client)));
        assert_eq!(budget.check([None, None], 26), Err(Refused::Full));
        drop(first);
        assert_eq!(second.grow(12), Ok(()));
        drop(second);
        assert!(budget.0.held().by_holder.values().all(|has| *has == 0));
        assert_eq!(budget.0.held().all, 0);
    }

    #[test]
    fn a_reservation_that_exceeds_the_budget_is_alone() {
        let budget = Budget::new(10);
        let large = budget.reserve([Some(client(1)), None], 6).unwrap();
        assert_eq!(large.grow(100), Ok(()));
        assert_eq!(budget.reserve([Some(client(2)), None], 1).unwrap_err(), Refused::Full);
        drop(large);
        assert!(budget.reserve([Some(client(2)), None], 1).is_ok());
    }

    #[test]
    fn a_request_counts_towards_client_space_and_function() {
        let budget = Budget::new(100);
        let (space, function) = (Holder::space("s"), Holder::function("s", "f"));
        let mut first = budget.reserve([Some(client(1)), Some(space)], 20).unwrap();
        first.join(function);
        assert_eq!(first.grow(15), Ok(()));
        assert_eq!(budget.check([Some(client(1)), None], 20), Err(Refused::Share(Kind::Client)));
        assert_eq!(budget.check([Some(client(2)), Some(function)], 32), Err(Refused::Share(Kind::Function)));
        assert_eq!(budget.check([Some(client(2)), Some(function)], 31), Ok(()));
        let second = budget.reserve([Some(client(2)), None], 31).unwrap();
        assert_eq!(budget.check([Some(client(3)), Some(space)], 17), Err(Refused::Share(Kind::Space)));
        assert_eq!(budget.check([Some(client(3)), Some(space)], 16), Ok(()));
        assert_eq!(budget.check([Some(client(3)), Some(Holder::space("t"))], 17), Ok(()));
        drop(second);
        first.shrink_to(5);
        assert_eq!(budget.check([Some(client(1)), Some(function)], 31), Ok(()));
        drop(first);
        assert!(budget.0.held().by_holder.values().all(|has| *has == 0));
    }

    #[test]
    fn holders_that_have_nothing_are_forgotten() {
        let budget = Budget::new(100);
        for space in 0..10 * MANY {
            drop(budget.reserve([Some(Holder::space(&space.to_string())), None], 1).unwrap());
        }
        assert!(budget.0.held().by_holder.len() <= MANY + 1);
    }

    #[test]
    fn addresses_of_one_machine_are_one_client() {
        let holder = |address: &str| Holder::client(address.parse().unwrap());
        for (one, other, same) in [
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("2001:db8::1", "2001:db8::2:3", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            assert_eq!(holder(one) == holder(other), same, "{one} {other}");
        }
    }

    proptest! {
        /// However much some take, another client of the same space can still get something.
        #[test]
        fn something_is_left_for_one_more(
            size in 64usize..10_000,
            takes in prop::collection::vec((0u8..5, 1usize..2_000), 1..200),
        ) {
            let budget = Budget::new(size);
            // The first reservation of all may exceed the budget.
            let mut held = vec![budget.reserve([None, None], 0).unwrap(), budget.reserve([None, None], 1).unwrap()];
            for (number, amount) in takes {
                held.extend(budget.reserve([Some(client(number)), Some(Holder::space("s"))], amount));
                let all = budget.0.held().all;
                prop_assert!(all < size, "nothing is left of {size}");
            }
        }
    }
}
