//! Writes the role of a function: the permissions that it needs, each with its reason, and nothing else.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::needs::{self, Permission, Resource};

use super::names::{arn, pascal, reference, sub};
use super::queues::{Queues, failures_id};
use super::{Application, Tree, map, resource, streams, tables, websockets};

/// The resources of one function that its role names.
pub(super) struct Own<'a> {
    pub(super) log: &'a str,
    /// The id of the function.
    pub(super) function: &'a str,
    pub(super) service: &'a str,
    pub(super) queues: &'a Queues,
    /// The logical ids of the queues with events that are retried.
    pub(super) retried: Vec<&'a str>,
}

/// The id of the statement for traces, which every role has.
const TRACES: &str = "ItsCallsAreTraced";

/// Returns the role that the function runs with. `policies` are further statements of `eg.toml`: one with the id of another
/// statement is a problem.
pub(super) fn role(
    application: &Application<'_>,
    permissions: Vec<Permission<'_>>,
    policies: &[Value],
    own: &Own<'_>,
    problems: &mut Vec<String>,
) -> Tree {
    let mut reasons = BTreeSet::from([TRACES.to_owned()]);
    let mut statements: Vec<Tree> = permissions
        .into_iter()
        .map(|permission| statement(application, permission, own, &mut reasons))
        .collect();
    if !own.retried.is_empty() {
        let sid = "ItGetsEventsThatAreRetried";
        reasons.insert(sid.to_owned());
        statements.push(map! {
            "Sid" => sid,
            "Effect" => "Allow",
            "Action" => needs::READING_QUEUE.to_vec(),
            "Resource" => own.retried.iter().map(|id| arn(id)).collect::<Vec<_>>(),
        });
    }
    for id in policies.iter().filter_map(|statement| statement["Sid"].as_str()) {
        if !reasons.insert(id.to_owned()) {
            let function = own.function;
            problems.push(format!(
                "{function}: two statements of its role have the `Sid` `{id}`: rename the one in `policies`"
            ));
        }
    }
    statements.extend(policies.iter().cloned().map(Tree::Json));
    // These actions know no resources.
    statements.push(map! {
        "Sid" => TRACES,
        "Effect" => "Allow",
        "Action" => vec!["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
        "Resource" => "*",
    });
    let properties = map! {
        "AssumeRolePolicyDocument" => document(vec![map! {
            "Effect" => "Allow",
            "Principal" => map! { "Service" => "lambda.amazonaws.com" },
            "Action" => "sts:AssumeRole",
        }]),
        "Policies" => vec![map! { "PolicyName" => "function", "PolicyDocument" => document(statements) }],
    };
    resource("AWS::IAM::Role", properties.with("Tags", application.tags(&[])))
}

fn statement(
    application: &Application<'_>,
    permission: Permission<'_>,
    own: &Own<'_>,
    reasons: &mut BTreeSet<String>,
) -> Tree {
    let Permission { actions, on, condition, reason } = permission;
    let resource = match on {
        Resource::Log => arn(own.log),
        Resource::Bus => application.bus_arn(),
        Resource::Failures => arn(&failures_id(own.service)),
        Resource::Queue(name) => match application.existing_queue(name) {
            Some(existing) => existing.arn.as_str().into(),
            None => own.queues.get(name).map_or_else(|| name.into(), |id| arn(id)),
        },
        Resource::Parameter(name) => {
            sub(&format!("arn:${{AWS::Partition}}:ssm:${{AWS::Region}}:${{AWS::AccountId}}:parameter{name}"))
        }
        Resource::Secret(id) => secret(id),
        Resource::Stream { source, name } => reference(&streams::parameter(source, name)),
        Resource::Connections => websockets::connections_arn(),
        Resource::Every => "*".into(),
        Resource::Table(name) => match application.stage.tables.get(name) {
            Some(table) => tables::arn_of(name, table),
            None => name.into(),
        },
    };
    // The id of a statement has letters and digits only, and is unique within the policy.
    let reason = pascal(&reason);
    let numbered = (2..).map(|number| format!("{reason}{number}"));
    let sid = std::iter::once(reason.clone()).chain(numbered).find(|sid| !reasons.contains(sid));
    let sid = sid.unwrap_or(reason);
    reasons.insert(sid.clone());
    map! { "Sid" => sid, "Effect" => "Allow", "Action" => actions, "Resource" => resource }
        .with("Condition", condition)
}

/// Returns the ARN of a secret, or the two that it may have. AWS adds a hyphen and six characters to its name.
fn secret(id: &str) -> Tree {
    const ADDED: &str = "-??????";
    // The ARN may be complete, or its name may end like that.
    let may_be_whole = |arn: &str| {
        arn.rsplit_once('-').is_some_and(|(_, added)| {
            added.len() == 6 && added.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    };
    match id.starts_with("arn:") {
        true if may_be_whole(id) => vec![id.to_owned(), format!("{id}{ADDED}")].into(),
        true => format!("{id}{ADDED}").into(),
        false => sub(&format!(
            "arn:${{AWS::Partition}}:secretsmanager:${{AWS::Region}}:${{AWS::AccountId}}:secret:{id}{ADDED}"
        )),
    }
}

pub(super) fn document(statements: Vec<Tree>) -> Tree {
    map! { "Version" => "2012-10-17", "Statement" => statements }
}
