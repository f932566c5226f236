//! What AWS has made from the template of an application, as its APIs report it, and the queues through which the test sees what
//! rules deliver.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::aws::Aws;

/// The resources of a stack.
#[derive(Debug, Deserialize)]
pub(super) struct Stack {
    /// The functions, by their names.
    pub(super) functions: BTreeMap<String, Function>,
    pub(super) rules: Vec<Rule>,
    /// The names of the tables, by their logical ids.
    pub(super) tables: BTreeMap<String, String>,
    /// The URLs of the queues, by their logical ids.
    pub(super) queues: BTreeMap<String, String>,
}

/// The settings of a function.
#[derive(Debug, Deserialize)]
pub(super) struct Function {
    pub(super) handler: String,
    pub(super) timeout: u32,
    pub(super) memory: u32,
    pub(super) variables: BTreeMap<String, String>,
    /// The policies of its role.
    pub(super) policies: Vec<Value>,
}

/// A rule, and the queue in the place of its function.
#[derive(Debug, Deserialize)]
pub(super) struct Rule {
    #[serde(rename = "Arn")]
    pub(super) arn: String,
    #[serde(rename = "ScheduleExpression")]
    pub(super) schedule: Option<String>,
    /// The name of the function.
    pub(super) function: String,
    queue: String,
}

impl Stack {
    /// Reads a stack, and puts a queue in the place of each rule's function.
    pub(super) fn tapped(name: &str, aws: &Aws) -> Self {
        let output =
            eg_tests::python::python(include_str!("stack.py"), &[name, &aws.url]).expect("Python is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Takes one event that a rule has delivered. Returns it with the function that is to get it.
    pub(super) fn delivered(&self, aws: &Aws) -> Option<(&str, Value)> {
        self.rules.iter().find_map(|rule| Some((rule.function.as_str(), taken(aws, &rule.queue)?)))
    }
}

/// Takes one message from a queue.
pub(super) fn taken(aws: &Aws, queue: &str) -> Option<Value> {
    let answer = aws.call("sqs", "AmazonSQS.ReceiveMessage", &json!({"QueueUrl": queue}));
    let message = answer["Messages"].get(0)?;
    let receipt = &message["ReceiptHandle"];
    aws.call("sqs", "AmazonSQS.DeleteMessage", &json!({"QueueUrl": queue, "ReceiptHandle": receipt}));
    Some(serde_json::from_str(message["Body"].as_str().unwrap()).unwrap())
}

/// Returns what an application keeps in a table, by partition and sort key.
pub(super) fn items(aws: &Aws, table: &str) -> BTreeMap<(String, String), Value> {
    let answer = aws.call("dynamodb", "DynamoDB_20120810.Scan", &json!({"TableName": table}));
    let items = answer["Items"].as_array().unwrap().iter();
    let text = |item: &Value, name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
    items
        .map(|item| {
            let document = serde_json::from_str(&text(item, "document")).unwrap_or_default();
            ((text(item, "partition"), text(item, "sort")), document)
        })
        .collect()
}
