//! Decides how the simulated partner behaves: the configured answer, and other answers for a share of the orders.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The configured behavior.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Behaviour {
    /// The answer to callers.
    answer: Answer,
    /// The outcome of accepted deliveries.
    outcome: Outcome,
    /// The share of orders that get `reject`, from 0 to 1.
    dead: f64,
    /// The share of orders that are accepted and then canceled, from 0 to 1.
    canceled: f64,
}

/// The answer to a caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    /// The delivery is accepted.
    #[default]
    Accept,
    /// 503: the caller retries.
    Reject,
    /// 422: the caller gives up.
    Refuse,
    /// No answer before the caller's time limit.
    Hang,
    /// The process dies during the call.
    Drop,
}

/// The outcome of an accepted delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// Nothing, until `POST /logistics/…` reports an outcome.
    #[default]
    None,
    /// The goods arrive.
    Delivered,
    /// The delivery is canceled.
    Canceled,
}

impl Behaviour {
    pub(crate) fn answer(&self, order_id: &str) -> Answer {
        if share("dead", order_id) < self.dead { Answer::Reject } else { self.answer }
    }

    pub(crate) fn outcome(&self, order_id: &str) -> Outcome {
        if share("canceled", order_id) < self.canceled { Outcome::Canceled } else { self.outcome }
    }
}

/// Returns a number from 0 to 1 for an order and a purpose, always the same for both.
fn share(purpose: &str, order_id: &str) -> f64 {
    let hash = Sha256::digest(format!("{purpose}#{order_id}"));
    let head = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    f64::from(head) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_and_otherwise_for_a_share() {
        let told =
            Behaviour { outcome: Outcome::Delivered, dead: 0.02, canceled: 0.05, ..Behaviour::default() };
        let orders: Vec<String> = (0..10_000).map(|n| format!("order-{n}")).collect();
        let dead = orders.iter().filter(|order| told.answer(order) == Answer::Reject).count();
        let canceled = orders.iter().filter(|order| told.outcome(order) == Outcome::Canceled).count();
        assert!((150..250).contains(&dead) && (420..580).contains(&canceled), "{dead} {canceled}");
        assert_eq!(Behaviour::default().answer("order-1"), Answer::Accept);
        assert_eq!(Behaviour::default().outcome("order-1"), Outcome::None);
    }

    #[test]
    fn commands() {
        let told: Behaviour = serde_json::from_str(r#"{"answer":"hang","outcome":"canceled"}"#).unwrap();
        assert_eq!((told.answer("o"), told.outcome("o")), (Answer::Hang, Outcome::Canceled));
        for wrong in [r#"{"answer":"dance"}"#, r#"{"dance":true}"#] {
            assert!(serde_json::from_str::<Behaviour>(wrong).is_err(), "{wrong}");
        }
    }
}
