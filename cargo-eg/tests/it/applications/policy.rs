//! Evaluates calls of AWS against policies of IAM, as its documentation describes: a call needs a statement that allows it, and none
//! that denies it. It knows no more of the language than the templates use, and refuses the rest.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a call needs: one action on one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Need {
    /// Such as `events:PutEvents`.
    pub(super) action: String,
    /// An ARN.
    pub(super) resource: String,
    /// The values that conditions see, by their keys.
    pub(super) context: BTreeMap<&'static str, String>,
}

/// Returns the reason of the statement that allows it, its `Sid`. `None` if no statement does, or if one denies it.
///
/// # Panics
/// If a policy says something that this evaluator does not know.
pub(super) fn allowed<'a>(policies: &'a [Value], need: &Need) -> Option<&'a str> {
    let mut reason = None;
    for statement in policies.iter().flat_map(|policy| list(&policy["Statement"])) {
        let known = ["Sid", "Effect", "Action", "Resource", "Condition"];
        let unknown = statement.as_object().unwrap().keys().find(|key| !known.contains(&key.as_str()));
        assert_eq!(unknown, None, "{statement}");
        let any = |key: &str, text: &str| {
            list(&statement[key]).iter().any(|pattern| matches(pattern.as_str().unwrap(), text))
        };
        // Actions have no upper and lower case.
        let action = list(&statement["Action"])
            .iter()
            .any(|pattern| matches(&pattern.as_str().unwrap().to_lowercase(), &need.action.to_lowercase()));
        if !(action && any("Resource", &need.resource) && holds(&statement["Condition"], need)) {
            continue;
        }
        match statement["Effect"].as_str() {
            Some("Allow") => reason = statement["Sid"].as_str().or(Some("")),
            Some("Deny") => return None,
            _ => panic!("{statement}"),
        }
    }
    reason
}

/// Returns the actions that policies allow, each with the resources.
pub(super) fn allowances(policies: &[Value]) -> Vec<(&str, &str)> {
    let statements = policies.iter().flat_map(|policy| list(&policy["Statement"]));
    let pairs = statements.flat_map(|statement| {
        let resources = list(&statement["Resource"]);
        list(&statement["Action"]).iter().flat_map(move |action| {
            resources.iter().map(move |resource| (action.as_str().unwrap(), resource.as_str().unwrap()))
        })
    });
    pairs.collect()
}

/// Whether all conditions hold.
fn holds(conditions: &Value, need: &Need) -> bool {
    let Some(conditions) = conditions.as_object() else { return true };
    conditions.iter().all(|(operator, keys)| {
        assert_eq!(operator, "StringEquals", "an operator that this evaluator does not know");
        keys.as_object().unwrap().iter().all(|(key, values)| {
            let value = need.context.get(key.as_str());
            value.is_some_and(|value| list(values).iter().any(|allowed| allowed == value.as_str()))
        })
    })
}

/// A text, or a list of texts.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

/// Whether a text matches a pattern, in which `*` stands for any characters and `?` for one.
fn matches(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), first) => {
            matches(&pattern[1..], text)
                || first.is_some_and(|first| matches(pattern, &text[first.len_utf8()..]))
        }
        (Some(wanted), Some(first)) if wanted == '?' || wanted == first => {
            matches(&pattern[wanted.len_utf8()..], &text[first.len_utf8()..])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn need(action: &str, resource: &str, ty: Option<&str>) -> Need {
        let context = ty.map(|ty| ("events:detail-type", ty.to_owned())).into_iter().collect();
        Need { action: action.to_owned(), resource: resource.to_owned(), context }
    }

    #[test]
    fn a_call_needs_a_statement_for_its_action_its_resource_and_its_values() {
        let emits = json!({"Sid": "emits", "Effect": "Allow", "Action": ["events:PutEvents"], "Resource": "arn:bus",
            "Condition": {"StringEquals": {"events:detail-type": ["a", "b"]}}});
        let reads = json!({"Sid": "reads", "Effect": "Allow", "Action": "dynamodb:Get*", "Resource": ["arn:x", "arn:table/?s"]});
        let policies = [json!({"Statement": [emits, reads]})];
        for (action, resource, ty, expected) in [
            ("events:PutEvents", "arn:bus", Some("b"), Some("emits")),
            ("events:PutEvents", "arn:bus", Some("c"), None),
            ("events:PutEvents", "arn:bus", None, None),
            ("events:PutEvents", "arn:bus2", Some("a"), None),
            ("events:PutRule", "arn:bus", Some("a"), None),
            ("dynamodb:getitem", "arn:table/as", None, Some("reads")),
            ("dynamodb:GetItem", "arn:table/aas", None, None),
            ("dynamodb:Query", "arn:x", None, None),
        ] {
            assert_eq!(
                allowed(&policies, &need(action, resource, ty)),
                expected,
                "{action} {resource} {ty:?}"
            );
        }
        let pairs =
            [("events:PutEvents", "arn:bus"), ("dynamodb:Get*", "arn:x"), ("dynamodb:Get*", "arn:table/?s")];
        assert_eq!(allowances(&policies), pairs);
    }

    #[test]
    fn a_denial_counts_more() {
        let statement =
            |effect: &str, resource: &str| json!({"Effect": effect, "Action": "*", "Resource": resource});
        let policies = [json!({"Statement": [statement("Deny", "arn:b*"), statement("Allow", "*")]})];
        assert_eq!(allowed(&policies, &need("s3:GetObject", "arn:a", None)), Some(""));
        assert_eq!(allowed(&policies, &need("s3:GetObject", "arn:bucket", None)), None);
    }
}
