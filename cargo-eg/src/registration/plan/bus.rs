//! Turns patterns for events of EventBridge into subscriptions of the gateway, whose filters are such patterns, too.

use std::collections::BTreeMap;

use eg_grammar::routed_type;
use eg_sdk::config::Subscription;
use eg_sdk::manifest::{EventPattern, Function, RetryOptions, Trigger};
use serde_json::{Value, json};

use super::super::owner::Owner;
use super::{FILTERED_BY, retry};

/// Returns the subscriptions of a function: one for each event type by which the gateway routes. Several patterns for one
/// type are alternatives of one filter.
pub(super) fn subscriptions(owner: Owner<'_>, service: &str, function: &Function) -> Vec<Subscription> {
    let mut filters: BTreeMap<String, (Vec<Value>, Option<&RetryOptions>)> = BTreeMap::new();
    for trigger in &function.triggers {
        let Trigger::EventBridge { event_bridge: pattern, retry, .. } = trigger else { continue };
        if pattern.is_of_aws() && owner.has_rules_of_aws() {
            continue;
        }
        for ty in &pattern.detail_type {
            let (alternatives, limits) = filters.entry(routed_type(ty).into_owned()).or_default();
            alternatives.push(filter(pattern, ty));
            *limits = limits.or(retry.as_ref());
        }
    }
    let subscription = |(ty, (mut alternatives, limits)): (String, (Vec<Value>, Option<&RetryOptions>))| {
        let mut subscription = Subscription::asynchronous(&ty, owner.id_of(&function.id));
        subscription.metadata = owner.labels(service);
        subscription.metadata.insert(FILTERED_BY.0.to_owned(), FILTERED_BY.1.to_owned());
        subscription.retry = limits.map(retry);
        subscription.filter = match alternatives.len() {
            1 => alternatives.pop(),
            _ => Some(json!({ "$or": alternatives })),
        };
        subscription
    };
    filters.into_iter().map(subscription).collect()
}

fn filter(pattern: &EventPattern, ty: &str) -> Value {
    let mut filter = json!({ "source": pattern.source, "type": [ty] });
    if let Some(detail) = &pattern.detail {
        filter["data"] = detail.clone();
    }
    filter
}

#[cfg(test)]
mod tests {
    use super::super::tests::manifest;
    use super::*;

    fn made(triggers: &Value) -> Vec<Value> {
        let manifest = manifest("shop", &[("shop-resize", "a.rs:1", &triggers.to_string())]);
        let subscriptions = subscriptions(Owner::Run, "shop", &manifest.functions[0]);
        subscriptions.iter().map(|one| json!([one.event_type, one.filter])).collect()
    }

    #[test]
    fn patterns_become_filters() {
        let s3 = |ty: &str, detail: Option<Value>| {
            let mut pattern = json!({"source": ["aws.s3"], "detail-type": [ty]});
            if let Some(detail) = detail {
                pattern["detail"] = detail;
            }
            json!({ "eventBridge": pattern })
        };
        let pictures = json!({"bucket": {"name": ["pictures"]}});
        let created = json!({"source": ["aws.s3"], "type": ["Object Created"], "data": pictures});
        assert_eq!(
            made(&json!([s3("Object Created", Some(pictures.clone())), s3("Object Deleted", None)])),
            [
                json!(["Object-Created", created]),
                json!(["Object-Deleted", {"source": ["aws.s3"], "type": ["Object Deleted"]}])
            ]
        );
        let films = json!({"bucket": {"name": ["films"]}});
        let or = json!([created, {"source": ["aws.s3"], "type": ["Object Created"], "data": films}]);
        assert_eq!(
            made(&json!([s3("Object Created", Some(pictures)), s3("Object Created", Some(films))])),
            [json!(["Object-Created", {"$or": or}])]
        );
    }
}
