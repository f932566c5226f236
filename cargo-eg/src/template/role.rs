//! Generates the permissions of a function: to write its log, and what its signature and triggers require. It grants
//! nothing else.

use eg_sdk::manifest::Function;

use super::names::arn;
use super::{BUS, Tree, map};

/// The facts that a function's permissions depend on.
pub(super) struct Grants<'a> {
    pub(super) service: &'a str,
    pub(super) function: &'a Function,
    pub(super) log: &'a str,
    /// Its dead-letter queue.
    pub(super) failures: Option<&'a str>,
    pub(super) queues: &'a [String],
}

/// Returns the role that the function runs with.
pub(super) fn role(grants: &Grants<'_>) -> Tree {
    let mut statements = vec![allow(&["logs:CreateLogStream", "logs:PutLogEvents"], arn(grants.log))];
    statements.extend(emits(grants));
    statements.extend(grants.failures.map(|queue| allow(&["sqs:SendMessage"], arn(queue))));
    let reading = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];
    statements.extend(grants.queues.iter().map(|queue| allow(&reading, arn(queue))));
    map! {
        "Type" => "AWS::IAM::Role",
        "Properties" => map! {
            "AssumeRolePolicyDocument" => document(vec![map! {
                "Effect" => "Allow",
                "Principal" => map! { "Service" => "lambda.amazonaws.com" },
                "Action" => "sts:AssumeRole",
            }]),
            "Policies" => vec![map! { "PolicyName" => "function", "PolicyDocument" => document(statements) }],
        },
    }
}

/// Returns the permission to emit: only the event types of the signature, and only with their sources.
fn emits(grants: &Grants<'_>) -> Option<Tree> {
    let Function { emits, sources, .. } = grants.function;
    if emits.is_empty() {
        return None;
    }
    let default = format!("/services/{}", grants.service);
    let mut from: Vec<&str> = Vec::new();
    let mut types: Vec<&str> = Vec::new();
    for ty in emits {
        let source = sources.get(ty).unwrap_or(&default).as_str();
        if !from.contains(&source) {
            from.push(source);
        }
        if !types.contains(&ty.as_str()) {
            types.push(ty);
        }
    }
    let condition =
        map! { "StringEquals" => map! { "events:detail-type" => types, "events:source" => from } };
    Some(allow(&["events:PutEvents"], arn(BUS)).with("Condition", Some(condition)))
}

pub(super) fn document(statements: Vec<Tree>) -> Tree {
    map! { "Version" => "2012-10-17", "Statement" => statements }
}

fn allow(actions: &[&str], resource: Tree) -> Tree {
    map! { "Effect" => "Allow", "Action" => actions.to_vec(), "Resource" => resource }
}
