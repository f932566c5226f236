//! Turns the filter of a subscription into a pattern of EventBridge, or says what EventBridge cannot do. An event travels as a whole
//! in the `detail` of the bus, so the filter is the pattern for it.

use eg_sdk::manifest::EventTrigger;
use serde_json::{Value, json};

/// How long the pattern of a rule may be, in characters
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>).
pub(crate) const PATTERN: usize = 2048;

/// The largest number that EventBridge compares, and the smallest is its negative
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>).
const NUMBER: f64 = 5e9;

/// Returns the pattern for events of a type that a function subscribes to.
pub(super) fn pattern(ty: &str, event: &EventTrigger) -> Result<Value, String> {
    if event.ordered {
        return Err(format!(
            "an event bus delivers events in no order, and the subscription to {ty} is `ordered`"
        ));
    }
    let Some(filter) = &event.filter else { return Ok(json!({"detail-type": [ty]})) };
    if let Some(number) = beyond(filter) {
        return Err(format!(
            "EventBridge compares numbers from -5000000000 to 5000000000 only, and the filter for {ty} compares with {number}"
        ));
    }
    let pattern = json!({"detail-type": [ty], "detail": filter});
    let length = pattern.to_string().chars().count();
    if length > PATTERN {
        return Err(format!(
            "the filter for {ty} makes a pattern of {length} characters, and EventBridge allows {PATTERN}"
        ));
    }
    Ok(pattern)
}

/// Returns a number in comparisons by size that is beyond EventBridge's limits.
fn beyond(filter: &Value) -> Option<&Value> {
    match filter {
        Value::Array(elements) => elements.iter().find_map(beyond),
        Value::Object(members) => members.iter().find_map(|(name, value)| match value {
            Value::Array(terms) if name == "numeric" => {
                terms.iter().find(|term| term.as_f64().is_some_and(|number| number.abs() > NUMBER))
            }
            value => beyond(value),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_becomes_the_pattern_of_the_detail() {
        let check = |trigger: Value, expected: Result<Value, &str>| {
            let mut event =
                json!({"eventType": "order.placed", "mode": "async", "method": "POST", "path": "/"});
            event.as_object_mut().unwrap().append(&mut trigger.as_object().unwrap().clone());
            let event = serde_json::from_value(event).unwrap();
            assert_eq!(super::super::pattern(&event), expected.map_err(str::to_owned), "{trigger}");
        };
        check(json!({}), Ok(json!({"detail-type": ["order.placed"]})));
        let filter = json!({"data": {"amount": [{"numeric": [">", 500, "<=", 5_000_000_000_i64]}]}, "subject": [{"exists": true}]});
        check(json!({"filter": filter}), Ok(json!({"detail-type": ["order.placed"], "detail": filter})));
        check(
            json!({"filter": {"data": {"$or": [{"amount": [{"numeric": ["<", -5_000_000_001_i64]}]}, {"gift": [true]}]}}}),
            Err(
                "EventBridge compares numbers from -5000000000 to 5000000000 only, and the filter for order.placed compares \
                 with -5000000001",
            ),
        );
        check(
            json!({"ordered": true}),
            Err(
                "an event bus delivers events in no order, and the subscription to order.placed is `ordered`",
            ),
        );
        let long = json!({"data": {"text": ["x".repeat(2048)]}});
        check(
            json!({"filter": long}),
            Err(
                "the filter for order.placed makes a pattern of 2112 characters, and EventBridge allows 2048",
            ),
        );
        check(
            json!({"eventType": "eventgateway.event.received", "filter": {"type": ["a"]}}),
            Err(
                "a bus delivers the events themselves instead of eventgateway.event.received, and the filter is for the report \
                 of the gateway",
            ),
        );
    }
}
