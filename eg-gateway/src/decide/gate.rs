//! Decides, for each delivery that is due, whether its attempt may begin. It holds the configuration as a plain value,
//! because it runs inside the store's transactions.

use std::sync::Arc;

use eg_sdk::config::Subscription;

use super::delivery::{Gate, before_attempt};
use super::snapshot::Snapshot;
use crate::timestamp::Timestamp;
use eg_grammar::DeliveryPolicy;

/// A delivery that is due.
#[derive(Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) space: &'a str,
    pub(crate) subscription_id: &'a str,
    /// Failed attempts so far.
    pub(crate) failures: u32,
    /// Attempts in a row during which the gateway ended unexpectedly.
    pub(crate) crashes: u32,
    /// The time from which its age is counted.
    pub(crate) since: Timestamp,
    pub(crate) now: Timestamp,
}

/// Admits the deliveries that the policies of their subscriptions allow, by the configuration at the time when the
/// gatekeeper was created.
#[derive(Debug, Clone)]
pub(crate) struct Gatekeeper {
    snapshot: Arc<Snapshot>,
    default: DeliveryPolicy,
}

impl Gatekeeper {
    /// Creates a gatekeeper. `default` is the policy of subscriptions that have none.
    pub(crate) fn new(snapshot: Arc<Snapshot>, default: DeliveryPolicy) -> Self {
        Self { snapshot, default }
    }

    pub(crate) fn check(&self, candidate: &Candidate<'_>) -> Gate {
        let Candidate { space, subscription_id, failures, crashes, since, now } = candidate;
        // The store finds out whether the subscription is deleted.
        let policy = self.snapshot.retry_policy(space, subscription_id, &self.default);
        let policy = policy.unwrap_or_else(|| self.default.clone());
        let subscription = self.snapshot.catalog.table::<Subscription>().get(space, subscription_id);
        let disabled = subscription.and_then(|subscription| subscription.disabled.as_deref());
        before_attempt(&policy, disabled, *failures, *crashes, now.since(*since))
    }
}
