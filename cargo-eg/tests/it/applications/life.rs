//! The life of both applications on AWS: deployed, changed, unchanged, refused, rolled back, removed.

use serde_json::json;

use super::{Application, namespace};
use crate::support::app::Transcript;

/// What an application lacks in its first version.
struct Missing {
    /// The functions.
    functions: &'static [&'static str],
    /// The section of eg.toml with the table.
    table: &'static str,
    /// A service that leaves the application later, with functions that reject events.
    leaves: &'static str,
    /// Another table.
    kept: &'static str,
}

#[test]
#[ignore = "takes minutes"]
fn registration_lives_from_its_first_deployment_to_its_removal() {
    if !namespace::is_inside() {
        let name = "applications::life::registration_lives_from_its_first_deployment_to_its_removal";
        return namespace::enter(name);
    }
    let functions = &["errors-read_alerts"];
    live("registration", &Missing { functions, table: "alerts", leaves: "vision", kept: "users" });
}

#[test]
#[ignore = "takes minutes"]
fn the_shop_lives_from_its_first_deployment_to_its_removal() {
    if !namespace::is_inside() {
        let name = "applications::life::the_shop_lives_from_its_first_deployment_to_its_removal";
        return namespace::enter(name);
    }
    let functions = &["event-store-get_history", "event-store-store_event"];
    live("shop", &Missing { functions, table: "history", leaves: "payment", kept: "orders" });
}

fn live(name: &'static str, missing: &Missing) {
    let app = Application::open(name);
    let file = app.folder().join("eg.toml");
    let whole = std::fs::read_to_string(&file).unwrap();
    let first = without(&whole, missing.functions, missing.table);
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    let says = |done: &Transcript, lines: &[String]| {
        for line in lines {
            assert!(done.stderr.contains(line) || done.stdout.contains(line), "{line}: {done:?}");
        }
    };
    let stack = app.stack();

    write(&first);
    let plan = app.deploy(&["--plan"]);
    assert_eq!(plan.code, Some(10), "{plan:?}");
    says(&succeeded(app.deploy(&["--yes"])), &[format!("deployed stack {stack} in ")]);
    let tables =
        || app.aws.call("dynamodb", "DynamoDB_20120810.ListTables", &json!({}))["TableNames"].clone();
    let table = json!(format!("{stack}-{}", missing.table));
    assert!(!tables().as_array().unwrap().contains(&table));

    write(&whole);
    let added = succeeded(app.deploy(&["--yes"]));
    let functions = missing.functions.iter().map(|function| format!("+ function {function}\n"));
    says(&added, &functions.chain([format!("+ table {}\n", missing.table)]).collect::<Vec<_>>());
    assert!(tables().as_array().unwrap().contains(&table));
    says(
        &succeeded(app.deploy(&["--yes"])),
        &[format!("stack {stack} is up to date: there is nothing to deploy\n")],
    );

    // A queue with a rejected event does not leave the stack.
    let queues = app.aws.call("sqs", "AmazonSQS.ListQueues", &json!({}))["QueueUrls"].clone();
    let failures = format!("{}Failures", capitalized(missing.leaves));
    let mut queues = queues.as_array().unwrap().iter();
    let queue = queues.find(|url| url.as_str().unwrap().contains(&failures)).unwrap();
    app.aws.call("sqs", "AmazonSQS.SendMessage", &json!({"QueueUrl": queue, "MessageBody": "{}"}));
    write(&without(&whole, &[missing.leaves], "none"));
    let refused = app.deploy(&["--yes"]);
    assert_eq!(refused.code, Some(12), "{refused:?}");
    app.aws.call("sqs", "AmazonSQS.PurgeQueue", &json!({"QueueUrl": queue}));

    // What was added is taken back. moto then deletes the table, though the template retains it.
    let back = succeeded(app.eg_on_aws(&["rollback", "--yes"]));
    says(&back, &[format!("- table {}\n", missing.table)]);
    write(&first);
    assert_eq!(app.deploy(&["--plan"]).code, Some(0), "the first version is what is deployed");

    // Tables stay with their items when the stack is removed.
    let item = json!({"partition": {"S": "a"}, "sort": {"S": "b"}});
    let kept = json!(format!("{stack}-{}", missing.kept));
    app.aws.call("dynamodb", "DynamoDB_20120810.PutItem", &json!({"TableName": kept, "Item": item}));
    says(&succeeded(app.eg_on_aws(&["remove", "--yes"])), &[format!("removed stack {stack}\n")]);
    let scanned = app.aws.call("dynamodb", "DynamoDB_20120810.Scan", &json!({"TableName": kept}));
    assert_eq!(scanned["Items"], json!([item]));
    assert_eq!(app.eg_on_aws(&["remove", "--yes"]).code, Some(6), "nothing is left of the stack");
}

#[track_caller]
fn succeeded(done: Transcript) -> Transcript {
    assert_eq!(done.code, Some(0), "{done:?}");
    done
}

/// Returns an eg.toml that leaves out these functions or services, and a table.
fn without(whole: &str, left_out: &[&str], table: &str) -> String {
    let names: String = left_out.iter().map(|name| format!("\"{name}\", ")).collect();
    let text = whole.replacen("exclude = [", &format!("exclude = [{names}"), 1);
    assert_ne!(text, whole);
    let sections =
        text.split("\n\n").filter(|section| !section.contains(&format!("[deploy.tables.{table}]")));
    sections.collect::<Vec<_>>().join("\n\n")
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}
