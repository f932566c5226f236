//! Judges a history after its end: the promises that can only be checked when all deliveries have ended. `oracle` has
//! checked the others on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use eg_sdk::history::DeliveryState;

use super::{Call, Finding, Oracle};
use crate::decide::intake::Fate;
use crate::decide::policy;
use crate::simulation::record::{Attempt, Delivery};
use crate::simulation::world::{NOTICES, WINDOW, default_policy, subscriptions};
use eg_grammar::DeliveryPolicy;

impl Oracle {
    /// Checks the final state, after all deliveries have ended.
    pub(in crate::simulation) fn judge(&self) -> Finding {
        let look = self.look.as_ref().expect("a process runs");
        let intact: String = look.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        if intact != "ok" {
            return Err(format!("the database is broken: {intact}"));
        }
        self.books_are_right(look)?;
        self.nothing_is_lost()?;
        self.given_up_deliveries_are_reported_once()?;
        for delivery in self.deliveries.values() {
            let calls: Vec<&Call> = self.calls.iter().filter(|call| call.delivery == delivery.seq).collect();
            end_has_a_cause(delivery, &calls)?;
            self.end_fits_the_fate(delivery)?;
            attempts_keep_the_policy(delivery)?;
            calls_keep_the_policy(delivery, &calls)?;
        }
        self.order_is_kept()
    }

    /// Checks that deliveries of these events to a subscription became dead letters after all their attempts.
    pub(in crate::simulation) fn used_up(&self, offers: &[usize], subscription: &str) -> Finding {
        let allowed = usize::try_from(policy_of(subscription).attempts).unwrap();
        for offer in offers {
            let delivery = self.find(*offer, subscription)?;
            let failed = delivery.attempts.iter().filter(|attempt| attempt.failed()).count();
            if !delivery.is_dead_letter() || failed != allowed {
                return Err(format!("{failed} of {allowed} attempts failed: {delivery:?}"));
            }
        }
        Ok(())
    }

    fn nothing_is_lost(&self) -> Finding {
        let originals = self.deliveries.values().filter(|one| one.subscription != NOTICES);
        let kept: BTreeSet<usize> = originals.filter_map(|one| one.offer).collect();
        for (n, offer) in self.offers.iter().enumerate().filter(|(_, offer)| offer.acknowledged) {
            // A duplicate is represented by the first event.
            let first = |other: &&usize| {
                let other = &self.offers[**other];
                other.id == offer.id && other.at > offer.at.saturating_sub(WINDOW)
            };
            let Some(kept) = kept.get(&n).or_else(|| kept.iter().find(first)) else {
                return Err(format!("event {} was acknowledged, and lost", offer.id));
            };
            for subscription in self.offers[*kept].fates.keys() {
                self.find(*kept, subscription)?;
            }
        }
        Ok(())
    }

    /// Checks that a delivery has ended as was decided when its event was accepted.
    fn end_fits_the_fate(&self, delivery: &Delivery) -> Finding {
        let offer = delivery.offer.filter(|_| delivery.subscription != NOTICES);
        let Some(fate) = offer.and_then(|offer| self.offers[offer].fates.get(&delivery.subscription)) else {
            return Ok(());
        };
        // A replay decides anew whether the subscription is disabled.
        let again = delivery.replay.is_some();
        let fits = match (fate, delivery.state) {
            (Fate::Filtered { .. }, state) => state == DeliveryState::Filtered,
            (Fate::Deliver { .. }, state) => state != DeliveryState::Filtered,
            (Fate::Dead { .. }, state) => state == DeliveryState::Dead || again,
        };
        if fits { Ok(()) } else { Err(format!("{fate:?} was decided, and came to {delivery:?}")) }
    }

    /// Checks that exactly one event reports each time that a delivery was given up. Reports name the event and the
    /// subscription.
    fn given_up_deliveries_are_reported_once(&self) -> Finding {
        let mut given_up = BTreeMap::<(Option<usize>, &str), usize>::new();
        for delivery in self.deliveries.values().filter(|delivery| delivery.subscription != NOTICES) {
            *given_up.entry((delivery.offer, &delivery.subscription)).or_default() += delivery.past.given_up;
        }
        for ((offer, subscription), given_up) in given_up {
            let reports = self.deliveries.values().filter(|notice| {
                notice.subscription == NOTICES
                    && notice.replay.is_none()
                    && notice.offer == offer
                    && notice.about.as_deref() == Some(subscription)
            });
            let reports = reports.count();
            if reports != given_up {
                return Err(format!(
                    "{reports} events report that offer {offer:?} was given up {given_up} times for {subscription}"
                ));
            }
        }
        Ok(())
    }

    /// Checks that no event overtook an earlier one with its key. A redriven delivery has lost its turn.
    fn order_is_kept(&self) -> Finding {
        let mut last = BTreeMap::<&str, &Delivery>::new();
        for call in self.calls.iter().filter(|call| call.subscription == "ordered") {
            let delivery = &self.deliveries[&call.delivery];
            let Some(offer) = delivery.offer else { continue };
            if delivery.past.redrives.first().is_some_and(|attempts| call.attempt > *attempts) {
                continue;
            }
            let latest = last.entry(&self.offers[offer].key).or_insert(delivery);
            if delivery.place < latest.place {
                return Err(format!("{latest:?} overtook {delivery:?}"));
            }
            *latest = delivery;
        }
        Ok(())
    }
}

/// Checks that a delivery that has expired was old, whatever the wall clock showed. The clock of the gateway may be a tenth
/// too fast, and a delivery expires before a pause that would end too late.
pub(super) fn has_aged(delivery: &Delivery, lived: Duration) -> Finding {
    let Some(began) = delivery.young.filter(|_| delivery.state == DeliveryState::Expired) else {
        return Ok(());
    };
    let DeliveryPolicy { max_age, max_backoff, .. } = policy_of(&delivery.subscription);
    let age = lived - began;
    if age * 11 / 10 + max_backoff < max_age {
        return Err(format!("delivery {} expired after {age:?}, and may wait for {max_age:?}", delivery.seq));
    }
    Ok(())
}

fn policy_of(subscription: &str) -> DeliveryPolicy {
    let known = subscriptions().into_iter().find(|one| one.subscription_id == subscription);
    policy::effective(known.and_then(|one| one.retry).as_ref(), &default_policy())
}

fn end_has_a_cause(delivery: &Delivery, calls: &[&Call]) -> Finding {
    let delivered = delivery.state == DeliveryState::Delivered;
    if delivered && !calls.iter().any(|call| call.accepted) {
        return Err(format!("delivery {} is on record as made, and no function took it", delivery.seq));
    }
    if !delivered && delivery.reason().is_empty() {
        return Err(format!("delivery {} has ended without a reason: {delivery:?}", delivery.seq));
    }
    Ok(())
}

/// Checks the number of failed attempts, which a redrive counts anew.
fn attempts_keep_the_policy(delivery: &Delivery) -> Finding {
    let allowed = usize::try_from(policy_of(&delivery.subscription).attempts).unwrap();
    let ends = delivery.past.redrives.iter().copied().chain([u32::MAX]);
    let mut begin = 0;
    let mut failed = 0;
    for end in ends {
        let between = |attempt: &&Attempt| attempt.failed() && (begin + 1..=end).contains(&attempt.number);
        failed = delivery.attempts.iter().filter(between).count();
        if failed > allowed {
            return Err(format!("delivery {} failed {failed} times, of {allowed}", delivery.seq));
        }
        begin = end;
    }
    if delivery.state == DeliveryState::Dead && delivery.reason().starts_with("all ") && failed < allowed {
        return Err(format!(
            "delivery {} was given up after {failed} failed attempts, of {allowed}: {}",
            delivery.seq,
            delivery.reason()
        ));
    }
    Ok(())
}

fn calls_keep_the_policy(delivery: &Delivery, calls: &[&Call]) -> Finding {
    let max_age = policy_of(&delivery.subscription).max_age;
    for (n, call) in calls.iter().enumerate() {
        let age = call.started.since(call.since);
        if age > max_age {
            return Err(format!("delivery {} was attempted at an age of {age:?}", delivery.seq));
        }
        // Calls whose outcome was lost in a crash are ignored.
        let recorded = delivery.attempts.iter().any(|one| one.number == call.attempt && one.failed());
        // A redrive does not wait.
        let next = calls.get(n + 1).filter(|next| next.since == call.since && next.process == call.process);
        let Some(((at, pause), next)) = call.asked.filter(|_| recorded).zip(next) else { continue };
        let left = max_age.saturating_sub(at.since(call.since));
        if next.started < at.saturating_add(pause.min(left)) {
            return Err(format!(
                "delivery {} asked for a pause of {pause:?} at {at}: {next:?}",
                delivery.seq
            ));
        }
    }
    Ok(())
}
