//! Reads what AWS has made from the template of an application, as its APIs report it. Queues in the place of functions, and of the
//! queues that these read, show what rules deliver.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::aws::Aws;

/// The resources of a stack.
#[derive(Debug, Deserialize)]
pub(crate) struct Stack {
    /// The functions, by their names.
    pub(crate) functions: BTreeMap<String, Function>,
    pub(crate) rules: Vec<Rule>,
    /// The names of the tables, by their logical ids.
    pub(crate) tables: BTreeMap<String, String>,
    /// The URLs of the queues, by their logical ids.
    pub(crate) queues: BTreeMap<String, String>,
}

/// The settings of a function.
#[derive(Debug, Deserialize)]
pub(crate) struct Function {
    pub(crate) handler: String,
    pub(crate) timeout: u32,
    pub(crate) memory: u32,
    pub(crate) variables: BTreeMap<String, String>,
    /// The policies of its role.
    pub(crate) policies: Vec<Value>,
}

/// A rule, and the queue in the place of its target.
#[derive(Debug, Deserialize)]
pub(crate) struct Rule {
    #[serde(rename = "Arn")]
    pub(crate) arn: String,
    #[serde(rename = "ScheduleExpression")]
    pub(crate) schedule: Option<String>,
    /// The name of the function.
    pub(crate) function: String,
    /// The ARN of the queue between the rule and the function.
    source: Option<String>,
    queue: String,
}

impl Rule {
    /// Returns what the function gets of an event.
    fn payload(&self, event: Value) -> Value {
        let Some(source) = &self.source else { return event };
        let attributes = json!({"ApproximateReceiveCount": "1", "SentTimestamp": "1796040000000"});
        let record = json!({
            "messageId": "00000000-0000-4000-8000-000000000000", "receiptHandle": "receipt", "body": event.to_string(),
            "attributes": attributes, "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs", "eventSourceARN": source,
            "awsRegion": "eu-central-1",
        });
        json!({ "Records": [record] })
    }
}

impl Stack {
    /// Reads a stack, without its rules.
    pub(crate) fn read(name: &str, aws: &Aws) -> Self {
        Self::described(&[name, &aws.url])
    }

    /// Reads a stack, and puts a queue in the place of each rule's function.
    pub(crate) fn tapped(name: &str, aws: &Aws) -> Self {
        Self::described(&[name, &aws.url, "tap"])
    }

    fn described(arguments: &[&str]) -> Self {
        let program = include_str!("stack.py");
        let output = eg_tests::python::python(program, arguments).expect("Python is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Takes one event that a rule has delivered. Returns it with the function that is to get it.
    pub(crate) fn delivered(&self, aws: &Aws) -> Option<(&str, Value)> {
        self.rules
            .iter()
            .find_map(|rule| Some((rule.function.as_str(), rule.payload(taken(aws, &rule.queue)?))))
    }
}

impl Function {
    /// Returns whether a statement of its policies names this action and this resource, without wildcards for either.
    pub(crate) fn allows(&self, action: &str, resource: &str) -> bool {
        let names = |value: &Value, name: &str| {
            *value == name || value.as_array().is_some_and(|all| all.contains(&name.into()))
        };
        let statements = self.policies.iter().flat_map(|policy| match &policy["Statement"] {
            Value::Array(statements) => statements.as_slice(),
            statement => std::slice::from_ref(statement),
        });
        statements
            .filter(|statement| statement["Effect"] == "Allow")
            .any(|statement| names(&statement["Action"], action) && names(&statement["Resource"], resource))
    }
}

/// Takes one message from a queue.
pub(crate) fn taken(aws: &Aws, queue: &str) -> Option<Value> {
    let answer = aws.call("sqs", "AmazonSQS.ReceiveMessage", &json!({"QueueUrl": queue}));
    let message = answer["Messages"].get(0)?;
    let receipt = &message["ReceiptHandle"];
    aws.call("sqs", "AmazonSQS.DeleteMessage", &json!({"QueueUrl": queue, "ReceiptHandle": receipt}));
    Some(serde_json::from_str(message["Body"].as_str().unwrap()).unwrap())
}

/// Returns what an application keeps in a table, by partition and sort key.
pub(crate) fn items(aws: &Aws, table: &str) -> BTreeMap<(String, String), Value> {
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
