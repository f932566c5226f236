//! Compares a template with the limits of AWS, so that a deployment does not fail halfway.

use std::collections::BTreeMap;

use eg_grammar::{StreamKind, check_stream};

use super::{Application, Tree};
use crate::project::deploy::Kept;

/// CloudFormation's limit for the outputs of a template
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>). A template with more resources
/// than one stack may have is divided.
const OUTPUTS: usize = 200;
/// The limit of the description of a template, in characters.
pub(super) const DESCRIPTION: usize = 1024;

/// Limits of one HTTP API and of one event bus, unless an account has higher quotas.
const ROUTES: usize = 300;
const RULES: usize = 300;

/// How many bytes the variables of a function may have, and its limits for a description and for statements that let others
/// invoke it (20 kB, of which one takes about 400 bytes)
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const VARIABLES: usize = 4096;
pub(super) const FUNCTION_DESCRIPTION: usize = 256;
const CALLERS: usize = 50;

/// About as many bytes as a reference has once CloudFormation has resolved it.
const REFERENCE: usize = 64;

/// Returns a text of at most `limit` characters.
pub(super) fn described(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// Returns the problem with the variables of a function, if they are too large together.
pub(super) fn too_large(function: &str, variables: &BTreeMap<&str, Tree>) -> Option<String> {
    let size = |value: &Tree| match value {
        Tree::Text(text) => text.len(),
        _ => REFERENCE,
    };
    let bytes: usize = variables.iter().map(|(name, value)| name.len() + size(value)).sum();
    (bytes > VARIABLES).then(|| {
        format!("{function}: its variables have {bytes} bytes, and Lambda allows {VARIABLES}: set fewer in eg.toml")
    })
}

/// Returns the limits that a template exceeds.
pub(super) fn exceeded(
    application: &Application<'_>,
    resources: &[(String, Tree)],
    outputs: &[(String, Tree)],
) -> Vec<String> {
    let mut problems = Vec::new();
    let mut at_most = |count: usize, limit: usize, what: &str, instead: &str| {
        if count > limit {
            problems.push(format!("the template has {count} {what}, and AWS allows {limit}: {instead}"));
        }
    };
    let count = |ty: &str| resources.iter().filter(|(_, resource)| is_of(resource, ty)).count();
    let divide = "divide the application into several, each with an eg.toml";
    at_most(outputs.len(), OUTPUTS, "outputs", divide);
    at_most(count("AWS::ApiGatewayV2::Route"), ROUTES, "routes in one HTTP API", divide);
    at_most(count("AWS::Events::Rule"), RULES, "rules on one event bus", divide);
    let stack = &application.stage.stack;
    let own = application.stage.tables.iter().filter(|(_, table)| matches!(table.kept, Kept::Here { .. }));
    for (name, table) in own {
        let name = application.stage.table_name(name, table);
        if let Err(mistake) = check_stream(StreamKind::DynamoDb, &name) {
            problems.push(format!("{mistake}: shorten `stack` in eg.toml, or the name of the table"));
        }
    }
    for (_, function) in application.functions() {
        let name = format!("{stack}-{}", function.id);
        let limit = eg_grammar::limits::LAMBDA_NAME;
        if name.len() > limit {
            problems.push(format!(
                "{name} has {} characters, and names of functions have at most {limit}: shorten `stack` in eg.toml, or the name \
                 of the function",
                name.len()
            ));
        }
        let triggers = function.triggers.len();
        if triggers > CALLERS {
            problems.push(format!(
                "{}: it has {triggers} triggers, and a function's policy has room for {CALLERS}: divide it",
                function.id
            ));
        }
    }
    problems
}

/// Whether a resource has this type.
fn is_of(resource: &Tree, ty: &str) -> bool {
    let Tree::Map(members) = resource else { return false };
    members.iter().any(|(key, value)| key == "Type" && *value == Tree::Text(ty.to_owned()))
}
