//! Generates the alarms of a stack: one for what functions failed to handle, and one for requests that failed. One alarm for
//! each function would cost more than most applications.

use super::builder::{Builder, resource};
use super::names::{attribute, reference};
use super::queues::failures_id;
use super::{API, Application, Tree, map};

/// The parameter with the topic of SNS that hears of alarms, and the condition that there is one.
pub(super) const TOPIC: &str = "AlarmTopicArn";
pub(super) const HAS_TOPIC: &str = "HasAlarmTopic";

/// How many queues one alarm can sum up
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create-alarm-on-metric-math-expression.html>).
const QUEUES: usize = 10;

/// Adds the alarms, for services and for queues with these logical ids. Returns whether there are any.
pub(super) fn alarms<'a>(
    application: &Application<'_>,
    queues: impl Iterator<Item = &'a String>,
    builder: &mut Builder,
) -> bool {
    let of_services = application.services_with_failures().map(|manifest| failures_id(&manifest.service));
    let all: Vec<String> = queues.map(|id| failures_id(id)).chain(of_services).collect();
    for queues in all.chunks(QUEUES) {
        let sums = queues.iter().enumerate().map(|(number, queue)| waiting(number, queue));
        let sum = map! { "Id" => "all", "Expression" => "SUM(METRICS())", "ReturnData" => true };
        let metrics: Vec<Tree> = sums.chain([sum]).collect();
        let properties =
            alarm("Functions failed to handle events, messages or records", ("Metrics", metrics.into()));
        let id = builder.free("FailuresAlarm".to_owned());
        builder.add(id, "the alarm for failures", resource("AWS::CloudWatch::Alarm", properties));
    }
    let has_api = builder.resources.iter().any(|(id, _)| id == API);
    if has_api {
        let dimension = map! { "Name" => "ApiId", "Value" => reference(API) };
        let properties = alarm("Requests failed with a 5xx", ("Namespace", "AWS/ApiGateway".into()))
            .with("MetricName", Some("5xx"))
            .with("Dimensions", Some(vec![dimension]))
            .with("Statistic", Some("Sum"))
            .with("Period", Some(60_u32));
        builder.add(
            "ErrorsAlarm".to_owned(),
            "the alarm for errors",
            resource("AWS::CloudWatch::Alarm", properties),
        );
    }
    has_api || !all.is_empty()
}

/// Returns the parameter of the template for the alarms.
pub(super) fn parameter() -> (String, Tree) {
    let description = "The topic of SNS that hears of alarms; none if empty";
    (TOPIC.to_owned(), map! { "Type" => "String", "Default" => "", "Description" => description })
}

/// Returns the conditions of the template for the alarms.
pub(super) fn condition() -> Tree {
    let is_empty = map! { "Fn::Equals" => vec![reference(TOPIC), "".into()] };
    map! { HAS_TOPIC => map! { "Fn::Not" => vec![is_empty] } }
}

/// Returns the metric of the messages in a queue.
fn waiting(number: usize, queue: &str) -> Tree {
    let dimension = map! { "Name" => "QueueName", "Value" => attribute(queue, "QueueName") };
    let metric = map! {
        "Namespace" => "AWS/SQS",
        "MetricName" => "ApproximateNumberOfMessagesVisible",
        "Dimensions" => vec![dimension],
    };
    map! {
        "Id" => format!("queue{number}"),
        "MetricStat" => map! { "Metric" => metric, "Period" => 60_u32, "Stat" => "Maximum" },
        "ReturnData" => false,
    }
}

/// Returns the properties of an alarm that begins with the first failure.
fn alarm(description: &str, (key, value): (&str, Tree)) -> Tree {
    let topic = map! { "Fn::If" => vec![
        HAS_TOPIC.into(),
        Tree::List(vec![reference(TOPIC)]),
        reference("AWS::NoValue"),
    ] };
    map! {
        "AlarmDescription" => description,
        "AlarmActions" => topic,
        "ComparisonOperator" => "GreaterThanThreshold",
        "Threshold" => 0_u32,
        "EvaluationPeriods" => 1_u32,
        "TreatMissingData" => "notBreaching",
    }
    .with(key, Some(value))
}
