//! Generates the tables of an application, and says how functions refer to them.

use crate::project::deploy::{Kept, KeyAttribute, Table};

use super::builder::{Builder, kept};
use super::names::{arn, in_stack, pascal, reference, sub};
use super::{Application, Tree, map};

/// Adds the tables that the stack makes. DynamoDB encrypts them by default.
pub(super) fn tables(application: &Application<'_>, builder: &mut Builder) {
    for (name, table) in &application.stage.tables {
        let Kept::Here { partition_key, sort_key, ttl } = &table.kept else { continue };
        let keys = || std::iter::once(partition_key).chain(sort_key);
        let attribute =
            |key: &KeyAttribute| map! { "AttributeName" => key.name.as_str(), "AttributeType" => key.kind };
        let roles = keys().zip(["HASH", "RANGE"]);
        let schema =
            roles.map(|(key, role)| map! { "AttributeName" => key.name.as_str(), "KeyType" => role });
        let ttl = ttl.as_ref().map(|name| map! { "AttributeName" => name.as_str(), "Enabled" => true });
        let properties = map! {
            "TableName" => in_stack(name),
            "BillingMode" => "PAY_PER_REQUEST",
            "AttributeDefinitions" => keys().map(attribute).collect::<Vec<_>>(),
            "KeySchema" => schema.collect::<Vec<_>>(),
        }
        .with("TimeToLiveSpecification", ttl)
        .with("Tags", application.tags(&[]));
        builder.add(id(name), &format!("table {name}"), kept("AWS::DynamoDB::Table", properties));
    }
}

/// Returns the logical id of a table.
fn id(name: &str) -> String {
    format!("{}Table", pascal(name))
}

/// Returns the name of a table, for a variable.
pub(super) fn name_of(name: &str, table: &Table) -> Tree {
    match &table.kept {
        Kept::Here { .. } => reference(&id(name)),
        Kept::Elsewhere(existing) => existing.as_str().into(),
    }
}

/// Returns the ARN of a table.
pub(super) fn arn_of(name: &str, table: &Table) -> Tree {
    match &table.kept {
        Kept::Here { .. } => arn(&id(name)),
        Kept::Elsewhere(existing) if existing.starts_with("arn:") => existing.as_str().into(),
        Kept::Elsewhere(existing) => sub(&format!(
            "arn:${{AWS::Partition}}:dynamodb:${{AWS::Region}}:${{AWS::AccountId}}:table/{existing}"
        )),
    }
}
