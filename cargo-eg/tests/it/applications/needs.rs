//! Says for each call that a function makes what it needs in IAM's words, and compares that with the function's policies.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::policy::{Need, allowances, allowed};
use crate::support::aws::{Aws, Call};
use crate::support::stack::Stack;

/// What the actions of a transaction are called in IAM.
const IN_TRANSACTIONS: [(&str, &str); 4] = [
    ("ConditionCheck", "ConditionCheckItem"),
    ("Delete", "DeleteItem"),
    ("Put", "PutItem"),
    ("Update", "UpdateItem"),
];

/// Rights that Lambda itself uses, with the role of the function, and what for.
const OF_LAMBDA: [(&str, &str); 8] = [
    ("logs:CreateLogStream", "begins a log"),
    ("logs:PutLogEvents", "writes what the function prints"),
    ("sqs:DeleteMessage", "removes what the function has handled from the queue that retries it"),
    ("sqs:GetQueueAttributes", "reads the queue that retries events"),
    ("sqs:ReceiveMessage", "reads the queue that retries events"),
    ("sqs:SendMessage", "keeps what the function fails to handle"),
    ("xray:PutTelemetryRecords", "reports on traces"),
    ("xray:PutTraceSegments", "traces invocations"),
];

/// Checks that the policies of each function allow the calls that it has made, and that they allow nothing that no function of its
/// service, nor Lambda, has used.
pub(super) fn check(stack: &Stack, aws: &Aws) {
    let mut used: BTreeSet<(String, String)> = BTreeSet::new();
    let mut missing = Vec::new();
    for (name, function) in &stack.functions {
        for need in aws.signed_by(name).iter().flat_map(|call| needs(call, &aws.account)) {
            if allowed(&function.policies, &need).is_none() {
                missing.push(format!("{name} needs {need:?}"));
            }
            used.insert((service(&function.handler), need.action));
        }
    }
    assert_eq!(missing, [""; 0], "calls that the template does not allow");
    let mut unused = BTreeSet::new();
    for function in stack.functions.values() {
        let service = service(&function.handler);
        for (action, resource) in allowances(&function.policies) {
            let is_of_lambda = OF_LAMBDA.iter().any(|(of_lambda, _)| *of_lambda == action);
            if !is_of_lambda && !used.contains(&(service.clone(), action.to_owned())) {
                unused.insert(format!("{service}: {action} on {resource}"));
            }
        }
    }
    assert_eq!(unused, BTreeSet::new(), "rights that nothing uses");
}

/// Returns the service of a handler.
fn service(handler: &str) -> String {
    handler.split('.').next().unwrap_or(handler).to_owned()
}

/// Returns what a call needs.
///
/// # Panics
/// If the call is not one that functions make.
fn needs(call: &Call, account: &str) -> Vec<Need> {
    let body: Value = serde_json::from_str(&call.body).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let need = |service: &str, action: &str, resource: String| Need {
        action: format!("{service}:{action}"),
        resource: format!("arn:aws:{service}:eu-central-1:{account}:{resource}"),
        context: BTreeMap::new(),
    };
    let table = |value: &Value| format!("table/{}", text(&value["TableName"]));
    match call.operation.as_str() {
        "PutEvents" => {
            let entries = body["Entries"].as_array().unwrap().iter();
            let entries = entries.map(|entry| {
                let bus = entry["EventBusName"].as_str().unwrap_or("default");
                let context = [
                    ("events:detail-type", text(&entry["DetailType"])),
                    ("events:source", text(&entry["Source"])),
                ];
                Need { context: context.into(), ..need("events", "PutEvents", format!("event-bus/{bus}")) }
            });
            entries.collect()
        }
        "SendMessage" => {
            let queue = text(&body["QueueUrl"]).rsplit('/').next().unwrap_or_default().to_owned();
            vec![need("sqs", "SendMessage", queue)]
        }
        "TransactWriteItems" => {
            let items = body["TransactItems"].as_array().unwrap().iter();
            let parts = items.flat_map(|item| item.as_object().unwrap());
            let parts = parts.map(|(name, part)| {
                let known = IN_TRANSACTIONS.iter().find(|(own, _)| own == name);
                let (_, action) = known.unwrap_or_else(|| panic!("{name} in a transaction"));
                need("dynamodb", action, table(part))
            });
            parts.collect()
        }
        action @ ("GetItem" | "Query") => {
            vec![need("dynamodb", action, table(&body))]
        }
        _ => panic!("{} is a call that no function makes: say here what it needs", call.operation),
    }
}
