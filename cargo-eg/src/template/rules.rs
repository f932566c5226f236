//! Generates the rules that deliver events to functions: one for all event types of a function that are retried alike.

use std::collections::BTreeMap;

use eg_sdk::manifest::{EventTrigger, Function, Method, RetryOptions, RoutePath, Trigger};
use serde_json::{Value, json};

use crate::needs::{self, Retries, Tries, is_of_rule, retry_of};
use crate::sockets::is_socket;

use super::builder::{Builder, resource};
use super::names::{arn, pascal, reference};
use super::queues::failures_id;
use super::retry::{rule_age, rule_policy};
use super::{Application, Tree, map};

/// How long the pattern of a rule may be, in characters
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>).
const PATTERN: usize = 2048;

/// Returns what to do about a subscription that nothing on AWS serves. A function that has other triggers is worth deploying.
fn leave_out(function: &Function, event_type: &str) -> String {
    match function.triggers.iter().any(needs::is_fired) {
        true => {
            let id = &function.id;
            format!(
                "leave the subscription out with `exclude = [\"{event_type}\"]` in [deploy.function.{id}] of eg.toml"
            )
        }
        false => "leave the function out with `exclude` in [deploy] of eg.toml".to_owned(),
    }
}

/// The rules of one function, and the queues between them and the function.
pub(super) struct Rules<'a> {
    application: &'a Application<'a>,
    function: &'a Function,
    service: &'a str,
    /// The logical id of the function.
    id: &'a str,
    /// The logical ids of the rules.
    pub(super) made: Vec<String>,
    /// The logical ids of the queues whose events the function gets, by how these are retried.
    queues: &'a BTreeMap<Retries, String>,
    /// The rules that send to each of these queues.
    pub(super) into_queues: BTreeMap<String, Vec<String>>,
}

/// How a rule hands events to a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// The rule invokes the function, and tries to for this many seconds.
    Directly {
        age: u32,
    },
    Queued(Retries),
}

/// Returns how the events of all triggers of a function are retried by queues, each with a logical id.
pub(super) fn queues_of(
    application: &Application<'_>,
    function: &Function,
    id: &str,
    problems: &mut Vec<String>,
) -> BTreeMap<Retries, String> {
    let stage = Some(application.stage);
    let retried = function.triggers.iter().filter(|trigger| is_of_rule(trigger, stage));
    let mut queues = BTreeMap::new();
    for retry in retried.map(retry_of) {
        match Retries::of(function, retry, stage) {
            Ok(None) => {}
            Ok(Some(retries)) => drop(queues.insert(retries, String::new())),
            Err(reason) => problems.push(format!("{} ({}): {reason}", function.id, function.source)),
        }
    }
    for (number, name) in queues.values_mut().enumerate() {
        let number = if number == 0 { String::new() } else { (number + 1).to_string() };
        *name = format!("{id}EventsQueue{number}");
    }
    queues
}

impl<'a> Rules<'a> {
    pub(super) fn new(
        application: &'a Application<'a>,
        service: &'a str,
        function: &'a Function,
        id: &'a str,
        queues: &'a BTreeMap<Retries, String>,
    ) -> Self {
        Self { application, function, service, id, made: Vec::new(), queues, into_queues: BTreeMap::new() }
    }

    /// Adds the rules for the function's triggers.
    pub(super) fn add(&mut self, builder: &mut Builder) {
        // The event types by how they reach the function.
        let mut types: BTreeMap<Way, Vec<&str>> = BTreeMap::new();
        let mut every = None;
        for trigger in &self.function.triggers {
            match trigger {
                // The gateway delivers them.
                Trigger::Event(_) if self.application.is_behind_gateway() => {}
                Trigger::Event(event) if !event.is_http() => {
                    let Some(pattern) = self.subscription(event, builder) else { continue };
                    let way = self.way(event.retry.as_ref(), builder);
                    match pattern.get("detail-type") {
                        Some(_) => types.entry(way).or_default().push(&event.event_type),
                        None => every = Some((pattern, way)),
                    }
                }
                Trigger::EventBridge { event_bridge: pattern, retry, .. }
                    if is_of_rule(trigger, Some(self.application.stage)) =>
                {
                    let way = self.way(retry.as_ref(), builder);
                    // Services of AWS emit on the default bus only.
                    let bus = (!pattern.is_of_aws()).then(|| self.application.bus());
                    let words = format!("on {}", pattern.detail_type.join(" "));
                    let pattern = serde_json::to_value(pattern).unwrap_or_default();
                    self.rule(&pascal(&words), bus, ("EventPattern", pattern.into()), way, builder);
                }
                Trigger::Schedule { schedule, .. } => {
                    let way = self.way(None, builder);
                    let expression = schedule.as_str();
                    self.rule("Schedule", None, ("ScheduleExpression", expression.into()), way, builder);
                }
                _ => {}
            }
        }
        for (way, types) in types {
            let words = match way {
                Way::Directly { age } if age == rule_age(None) => "Rule".to_owned(),
                Way::Directly { age } => format!("Rule{age}"),
                Way::Queued(retries) => format!("RuleOf{}Attempts", retries.attempts),
            };
            for pattern in patterns(&types) {
                let bus = Some(self.application.bus());
                self.rule(&words, bus, ("EventPattern", pattern.into()), way, builder);
            }
        }
        if let Some((pattern, way)) = every {
            let bus = Some(self.application.bus());
            self.rule("RuleOfEveryEvent", bus, ("EventPattern", pattern.into()), way, builder);
        }
    }

    /// Returns how the events of a trigger with these settings reach the function.
    fn way(&self, retry: Option<&RetryOptions>, builder: &mut Builder) -> Way {
        // What SQS cannot do is a problem already.
        if let Ok(Some(retries)) = Retries::of(self.function, retry, Some(self.application.stage)) {
            builder.notes.extend(retries.note(&self.function.id, retry));
            return Way::Queued(retries);
        }
        builder.notes.extend(Tries::note(&self.function.id, retry));
        Way::Directly { age: rule_age(retry) }
    }

    /// Returns the pattern of a subscription that a bus can serve.
    fn subscription(&mut self, event: &EventTrigger, builder: &mut Builder) -> Option<Value> {
        let EventTrigger { event_type, method, path, .. } = event;
        let id = &self.function.id;
        let pattern = match needs::pattern(event) {
            Ok(pattern) => pattern,
            // A route takes requests for it, or the WebSocket API has one for it.
            Err(_) if needs::is_route(event) || is_socket(event) => return None,
            Err(reason) => {
                let instead = leave_out(self.function, event_type);
                builder.problems.push(format!("{id} ({}): {reason}; {instead}", self.function.source));
                return None;
            }
        };
        if *path != RoutePath::root() || *method != Method::Post {
            builder.notes.push(format!(
                "{id}: an event bus has no paths, so it gets every {event_type}, not only {method} {path}"
            ));
        }
        Some(pattern)
    }

    /// Adds a rule, and lets it invoke the function, unless it sends to a queue.
    fn rule(&mut self, words: &str, bus: Option<Tree>, on: (&str, Tree), way: Way, builder: &mut Builder) {
        let rule = builder.free(format!("{}{words}", self.id));
        let queue = match way {
            Way::Directly { .. } => None,
            Way::Queued(retries) => self.queues.get(&retries),
        };
        let age = match way {
            Way::Directly { age } => age,
            Way::Queued(_) => rule_age(None),
        };
        let target = map! {
            "Id" => if queue.is_some() { "queue" } else { "function" },
            "Arn" => arn(queue.map_or(self.id, String::as_str)),
            "RetryPolicy" => rule_policy(age),
            "DeadLetterConfig" => map! { "Arn" => arn(&failures_id(self.service)) },
        };
        let properties =
            map! {}.with("EventBusName", bus).with(on.0, Some(on.1)).with("Targets", Some(vec![target]));
        let what = &self.function.id;
        builder.add(rule.clone(), what, resource("AWS::Events::Rule", properties));
        match queue {
            Some(queue) => self.into_queues.entry(queue.clone()).or_default().push(rule.clone()),
            None => {
                let permission = map! {
                    "Action" => "lambda:InvokeFunction",
                    "FunctionName" => reference(self.id),
                    "Principal" => "events.amazonaws.com",
                    "SourceArn" => arn(&rule),
                };
                let permission = resource("AWS::Lambda::Permission", permission);
                builder.add(format!("{rule}Permission"), what, permission);
            }
        }
        self.made.push(rule);
    }
}

/// Returns patterns for these event types, as few as their length allows.
fn patterns(types: &[&str]) -> Vec<Value> {
    let pattern = |types: &[&str]| json!({ "detail-type": types });
    let (mut patterns, mut some) = (Vec::new(), Vec::new());
    for ty in types {
        some.push(*ty);
        if some.len() > 1 && pattern(&some).to_string().len() > PATTERN {
            some.pop();
            patterns.push(pattern(&some));
            some = vec![*ty];
        }
    }
    patterns.push(pattern(&some));
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_as_long_as_aws_allows() {
        assert_eq!(patterns(&["a", "b"]), [json!({"detail-type": ["a", "b"]})]);
        let names: Vec<String> = (0..40).map(|number| format!("{number:0>100}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let made = patterns(&names);
        assert!(
            made.iter().all(|pattern| pattern.to_string().len() <= PATTERN) && made.len() == 3,
            "{made:?}"
        );
        let all = made.iter().flat_map(|pattern| pattern["detail-type"].as_array().unwrap());
        assert_eq!(all.map(|ty| ty.as_str().unwrap()).collect::<Vec<_>>(), names);
    }
}
