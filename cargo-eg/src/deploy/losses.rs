//! Finds the data that a deployment or a removal would delete: tables, queues and other resources that hold something.
//! Counting what they hold is left to the callers.

use serde_json::{Map, Value};

use super::changes::is_replaced;
use super::described::{kind, name};

/// The types of resources that hold data.
const STATEFUL: [&str; 10] = [
    "AWS::Cognito::UserPool",
    "AWS::DynamoDB::GlobalTable",
    "AWS::DynamoDB::Table",
    "AWS::EFS::FileSystem",
    ARCHIVE,
    QUEUE,
    "AWS::Kinesis::Stream",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::S3::Bucket",
];

const QUEUE: &str = "AWS::SQS::Queue";
const TABLE: &str = "AWS::DynamoDB::Table";
const ARCHIVE: &str = "AWS::Events::Archive";

/// A resource that leaves the stack with the data that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loss {
    /// The logical id.
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    /// Whether the template says that AWS keeps it, outside of the stack.
    pub(crate) is_kept: bool,
}

impl Loss {
    /// Whether it is a queue, which may be empty.
    pub(crate) fn is_queue(&self) -> bool {
        self.kind == QUEUE
    }

    /// Returns what it is called in messages: ``table `users` ``.
    pub(crate) fn words(&self) -> String {
        let kind = match self.kind.as_str() {
            QUEUE => "queue",
            TABLE => "table",
            ARCHIVE => "event archive",
            kind => kind,
        };
        format!("{kind} `{}`", self.name)
    }
}

/// Returns what leaves the stack with its data when the template `old` becomes `new`. `None`: the stack is removed.
pub(crate) fn losses(old: &Value, new: Option<&Value>) -> Vec<Loss> {
    let nothing = Map::new();
    let resources = old["Resources"].as_object().unwrap_or(&nothing);
    let holding = resources.iter().filter(|(_, resource)| STATEFUL.contains(&kind(resource)));
    let lost = holding.filter_map(|(id, was)| {
        let policy = match new.map(|new| &new["Resources"][id]) {
            None | Some(Value::Null) => &was["DeletionPolicy"],
            // AWS goes by the policy that comes with the change.
            Some(is) if is_replaced(was, is) => &is["UpdateReplacePolicy"],
            Some(_) => return None,
        };
        let is_kept =
            policy.as_str().is_some_and(|policy| policy.starts_with("Retain") || policy == "Snapshot");
        Some(Loss { id: id.clone(), kind: kind(was).to_owned(), name: name(id, was), is_kept })
    });
    lost.collect()
}

/// Returns the tables whose key would change and whose name would not. AWS cannot make that change: it creates the new table
/// before it deletes the old one, and both would have the same name.
pub(crate) fn rekeyed(old: &Value, new: &Value) -> Vec<String> {
    let resources = old["Resources"].as_object().into_iter().flatten();
    let tables = resources.filter(|(_, was)| kind(was) == TABLE);
    let changed = tables.filter(|(id, was)| {
        let is = &new["Resources"][id.as_str()];
        let name = &was["Properties"]["TableName"];
        let keeps_name = !name.is_null() && *name == is["Properties"]["TableName"];
        keeps_name && kind(is) == TABLE && is_replaced(was, is)
    });
    changed.map(|(id, was)| name(id, was)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn data_goes_with_what_is_removed_or_replaced_unless_it_is_retained() {
        let table = |key: &str, policies: &[&str]| {
            let mut table = json!({"Type": "AWS::DynamoDB::Table", "Properties": {"KeySchema": key}});
            for policy in policies {
                table[policy] = json!("Retain");
            }
            table
        };
        let check = |was: &Value, is: Option<&Value>, expected: &[(&str, bool)]| {
            let old = json!({"Resources": {"T": was, "F": {"Type": "AWS::Lambda::Function"}}});
            let new = is.map(|is| json!({"Resources": {"T": is}}));
            let found = losses(&old, new.as_ref());
            let found: Vec<_> = found.iter().map(|loss| (loss.name.as_str(), loss.is_kept)).collect();
            assert_eq!(found, expected);
        };
        let (both, neither) = (&["DeletionPolicy", "UpdateReplacePolicy"][..], &[][..]);
        check(&table("a", neither), Some(&table("a", neither)), &[]);
        check(&table("a", neither), Some(&table("b", neither)), &[("T", false)]);
        check(&table("a", neither), Some(&table("b", both)), &[("T", true)]);
        check(&table("a", both), Some(&table("b", &["DeletionPolicy"])), &[("T", false)]);
        check(&table("a", neither), Some(&Value::Null), &[("T", false)]);
        check(&table("a", both), Some(&Value::Null), &[("T", true)]);
        check(&table("a", both), None, &[("T", true)]);
        check(&table("a", &["UpdateReplacePolicy"]), None, &[("T", false)]);
    }

    #[test]
    fn a_table_with_a_name_keeps_its_key() {
        let table = |name: &str, key: &str, kind: &str| {
            json!({"Resources": {"OrdersTable": {"Type": "AWS::DynamoDB::Table", "Properties": {
                "TableName": {"Fn::Sub": format!("${{AWS::StackName}}-{name}")},
                "AttributeDefinitions": [{"AttributeName": key, "AttributeType": kind}],
                "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
            }}}})
        };
        let old = table("orders", "id", "S");
        assert_eq!(rekeyed(&old, &old), [""; 0]);
        assert_eq!(rekeyed(&old, &table("orders", "number", "S")), ["orders"]);
        assert_eq!(rekeyed(&old, &table("orders", "id", "N")), ["orders"]);
        assert_eq!(rekeyed(&old, &table("bills", "number", "S")), [""; 0]);
        assert_eq!(rekeyed(&old, &json!({"Resources": {}})), [""; 0]);
        let mut unnamed = [old.clone(), table("orders", "number", "S")];
        for one in &mut unnamed {
            one["Resources"]["OrdersTable"]["Properties"]["TableName"] = Value::Null;
        }
        assert_eq!(rekeyed(&unnamed[0], &unnamed[1]), [""; 0]);
    }

    #[test]
    fn a_loss_has_the_name_that_people_know() {
        let queue = json!({"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "${AWS::StackName}-orders"}}});
        let found = losses(&json!({"Resources": {"OrdersQueue": queue}}), None).remove(0);
        assert_eq!((found.words().as_str(), found.is_queue()), ("queue `orders`", true));
    }
}
