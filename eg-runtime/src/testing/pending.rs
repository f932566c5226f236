//! What waits to be delivered in a test, in its order, and when a failed delivery comes again. Knows neither functions nor
//! clock.

use std::time::{Duration, SystemTime};

use eg_grammar::{DeliveryPolicy, Redelivery, limits};
use eg_sdk::CloudEvent;

/// A delivery that is not finished.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// The service, by its position in the app.
    pub(super) service: usize,
    pub(super) function: &'static str,
    pub(super) event: CloudEvent,
    /// When it is delivered next.
    pub(super) due: SystemTime,
    /// When it was accepted.
    pub(super) accepted: SystemTime,
    pub(super) failures: u32,
    /// What is in the same lane stays in its order: the messages of a group, or the records of a stream.
    pub(super) lane: Option<String>,
    pub(super) again: Again,
}

/// When a failed delivery comes again.
#[derive(Debug, Clone)]
pub(super) enum Again {
    /// As the gateway delivers events.
    Event(DeliveryPolicy),
    /// As Lambda reads streams.
    Record(DeliveryPolicy),
    /// As a queue delivers messages.
    Message,
    /// As Lambda repeats events of schedules.
    Schedule,
}

impl Again {
    /// Returns the pause after the `failures`th failure of a delivery that was accepted `age` ago. `chance` is a number from
    /// 0 to 1.
    ///
    /// # Errors
    /// Why the delivery is given up.
    pub(super) fn pause(&self, failures: u32, age: Duration, chance: f64) -> Result<Duration, &'static str> {
        let used_up = "all attempts are used up";
        match self {
            Self::Event(policy) | Self::Record(policy) => {
                match policy.after_failure(failures, age, None, chance) {
                    Redelivery::After(pause) => Ok(pause),
                    Redelivery::Exhausted => Err(used_up),
                    Redelivery::TooOld => Err("it is too old for another attempt"),
                }
            }
            Self::Message if failures < limits::QUEUE_RECEIVES => Ok(limits::QUEUE_VISIBILITY),
            Self::Message => Err(used_up),
            Self::Schedule => {
                let at = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
                limits::EVENT_RETRIES.get(at).copied().ok_or(used_up)
            }
        }
    }
}

/// The deliveries that wait, in the order of their acceptance.
#[derive(Debug, Default)]
pub(super) struct Pending(Vec<Item>);

impl Pending {
    pub(super) fn push(&mut self, item: Item) {
        self.0.push(item);
    }

    /// Puts a failed delivery back: before those that were accepted after it in its lane.
    pub(super) fn put_back(&mut self, item: Item) {
        let of_lane =
            |other: &Item| item.lane.is_some() && other.lane == item.lane && other.function == item.function;
        let at = self.0.iter().position(of_lane).unwrap_or(self.0.len());
        self.0.insert(at, item);
    }

    /// Returns when the next delivery is due; `None` if none waits.
    pub(super) fn next(&self) -> Option<SystemTime> {
        self.heads().map(|(_, item)| item.due).min()
    }

    /// Removes a delivery that is due: the one that has been due for the longest time, or another that `choose` names by its
    /// position among `n`.
    pub(super) fn take(&mut self, now: SystemTime, choose: impl FnOnce(usize) -> usize) -> Option<Item> {
        let mut due: Vec<(usize, SystemTime)> =
            self.heads().filter(|(_, item)| item.due <= now).map(|(at, item)| (at, item.due)).collect();
        // Of those that are due since the same time, the first one stays first.
        due.sort_by_key(|(_, since)| *since);
        let (at, _) = *due.get(choose(due.len()))?;
        Some(self.0.remove(at))
    }

    /// Returns the deliveries that no other one in their lane holds back.
    fn heads(&self) -> impl Iterator<Item = (usize, &Item)> {
        self.0.iter().enumerate().filter(|(at, item)| {
            item.lane.is_none()
                || !self.0[..*at]
                    .iter()
                    .any(|other| other.lane == item.lane && other.function == item.function)
        })
    }
}
