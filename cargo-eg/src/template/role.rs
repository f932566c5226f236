//! Writes the role of a function: the permissions that it needs, and nothing else.

use crate::needs::{Permission, Resource};

use super::names::{arn, reference};
use super::{BUS, Tree, map, streams};

/// The logical ids of the resources of one function.
pub(super) struct Ids<'a> {
    pub(super) log: &'a str,
    /// Its dead-letter queue.
    pub(super) failures: &'a str,
    /// Returns the id of the queue with a name.
    pub(super) queue: &'a dyn Fn(&str) -> String,
}

/// Returns the role that the function runs with.
pub(super) fn role(permissions: Vec<Permission<'_>>, ids: &Ids<'_>) -> Tree {
    let statements = permissions.into_iter().map(|permission| statement(permission, ids)).collect();
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

fn statement(permission: Permission<'_>, ids: &Ids<'_>) -> Tree {
    let Permission { actions, on, condition, reason: _ } = permission;
    let resource = match on {
        Resource::Log => arn(ids.log),
        Resource::Bus => arn(BUS),
        Resource::Failures => arn(ids.failures),
        Resource::Queue(name) => arn(&(ids.queue)(name)),
        Resource::Stream { source, name } => reference(&streams::parameter(source, name)),
    };
    map! { "Effect" => "Allow", "Action" => actions.to_vec(), "Resource" => resource }
        .with("Condition", condition)
}

pub(super) fn document(statements: Vec<Tree>) -> Tree {
    map! { "Version" => "2012-10-17", "Statement" => statements }
}
