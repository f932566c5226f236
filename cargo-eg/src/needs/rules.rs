//! Decides what rules of EventBridge deliver to a function. How its events are retried is left to `retries`.

use eg_grammar::Schedule;
use eg_sdk::manifest::Trigger;
use serde_json::{Value, json};

use super::{is_behind_gateway, pattern};
use crate::project::deploy::Stage;

/// What a rule delivers.
#[derive(Debug, PartialEq)]
pub(crate) enum Rule<'a> {
    /// Events of the application's bus that match this pattern.
    OfBus(Value),
    /// Events of AWS's services, which are on the default bus only, that match this pattern.
    OfAws(Value),
    Schedule(&'a Schedule),
}

impl Rule<'_> {
    /// Returns the pattern of its events. A schedule has none.
    pub(crate) fn pattern(self) -> Option<Value> {
        match self {
            Self::OfBus(pattern) | Self::OfAws(pattern) => Some(pattern),
            Self::Schedule(_) => None,
        }
    }
}

/// Returns what a rule delivers for a trigger. `None`: a gateway, a route, a queue or a stream does, or nothing on AWS.
pub(crate) fn rule_of<'a>(trigger: &'a Trigger, stage: Option<&Stage>) -> Option<Rule<'a>> {
    let rule = match trigger {
        Trigger::Event(event) if !event.is_http() => Rule::OfBus(pattern(event).ok()?),
        Trigger::EventBridge { event_bridge, .. } if event_bridge.is_of_aws() => {
            Rule::OfAws(json!(event_bridge))
        }
        Trigger::EventBridge { event_bridge, .. } => Rule::OfBus(json!(event_bridge)),
        Trigger::Schedule { schedule } => Rule::Schedule(schedule),
        _ => return None,
    };
    let is_replaced = is_behind_gateway(stage) && matches!(rule, Rule::OfBus(_));
    (!is_replaced).then_some(rule)
}
