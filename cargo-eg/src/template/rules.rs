//! Generates the rules that deliver events to functions: one for all event types of a function that are retried alike.

use std::collections::BTreeMap;

use eg_sdk::manifest::{EventTrigger, Function, Method, RoutePath, Trigger};
use serde_json::{Value, json};

use crate::needs;
use crate::sockets::is_socket;

use super::builder::{Builder, resource};
use super::names::{arn, pascal, reference};
use super::queues::failures_id;
use super::retry::{Tries, rule_age, rule_policy};
use super::{Application, Tree, map};

/// How long the pattern of a rule may be, in characters
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>).
const PATTERN: usize = 2048;

/// What to do about a function that nothing on AWS calls.
const EXCLUDE: &str = "leave the function out with `exclude` in [deploy] of eg.toml";

/// The rules of one function.
pub(super) struct Rules<'a> {
    application: &'a Application<'a>,
    function: &'a Function,
    service: &'a str,
    /// The logical id of the function.
    id: &'a str,
    /// The logical ids of the rules.
    pub(super) made: Vec<String>,
    pub(super) tries: Tries,
}

impl<'a> Rules<'a> {
    pub(super) fn new(
        application: &'a Application<'a>,
        service: &'a str,
        function: &'a Function,
        id: &'a str,
    ) -> Self {
        Self { application, function, service, id, made: Vec::new(), tries: Tries::default() }
    }

    /// Adds the rules for the function's triggers.
    pub(super) fn add(&mut self, builder: &mut Builder) {
        // The event types by how long a rule retries.
        let mut types: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
        let mut every = None;
        for trigger in &self.function.triggers {
            match trigger {
                // The gateway delivers them.
                Trigger::Event(_) if self.application.is_behind_gateway() => {}
                Trigger::EventBridge { event_bridge: pattern, .. }
                    if self.application.is_behind_gateway() && !pattern.is_of_aws() => {}
                Trigger::Event(event) if !event.is_http() => {
                    let Some(pattern) = self.subscription(event, builder) else { continue };
                    let age = rule_age(event.retry.as_ref());
                    match pattern.get("detail-type") {
                        Some(_) => types.entry(age).or_default().push(&event.event_type),
                        None => every = Some((pattern, age)),
                    }
                }
                Trigger::EventBridge { event_bridge: pattern, retry, .. } => {
                    self.tries.add(&self.function.id, retry.as_ref(), &mut builder.notes);
                    // Services of AWS emit on the default bus only.
                    let bus = (!pattern.is_of_aws()).then(|| self.application.bus());
                    let words = format!("on {}", pattern.detail_type.join(" "));
                    let pattern = serde_json::to_value(pattern).unwrap_or_default();
                    self.rule(
                        &pascal(&words),
                        bus,
                        ("EventPattern", pattern.into()),
                        rule_age(retry.as_ref()),
                        builder,
                    );
                }
                Trigger::Schedule { schedule, .. } => {
                    self.tries.add(&self.function.id, None, &mut builder.notes);
                    let expression = schedule.as_str();
                    self.rule(
                        "Schedule",
                        None,
                        ("ScheduleExpression", expression.into()),
                        rule_age(None),
                        builder,
                    );
                }
                _ => {}
            }
        }
        for (age, types) in types {
            let words = if age == rule_age(None) { "Rule".to_owned() } else { format!("Rule{age}") };
            for pattern in patterns(&types) {
                self.rule(
                    &words,
                    Some(self.application.bus()),
                    ("EventPattern", pattern.into()),
                    age,
                    builder,
                );
            }
        }
        if let Some((pattern, age)) = every {
            let bus = Some(self.application.bus());
            self.rule("RuleOfEveryEvent", bus, ("EventPattern", pattern.into()), age, builder);
        }
    }

    /// Returns the pattern of a subscription that a bus can serve.
    fn subscription(&mut self, event: &EventTrigger, builder: &mut Builder) -> Option<Value> {
        let EventTrigger { event_type, method, path, .. } = event;
        let id = &self.function.id;
        let pattern = match needs::pattern(event) {
            Ok(pattern) => pattern,
            // A route takes requests for it, or the WebSocket API has one for it.
            Err(_) if needs::is_route(event) || is_socket(event) => return None,
            Err(reason) if self.function.triggers.iter().any(needs::is_fired) => {
                builder.notes.push(format!("{id}: {reason}"));
                return None;
            }
            Err(reason) => {
                builder.problems.push(format!("{id} ({}): {reason}; {EXCLUDE}", self.function.source));
                return None;
            }
        };
        if *path != RoutePath::root() || *method != Method::Post {
            builder.notes.push(format!(
                "{id}: an event bus has no paths, so it gets every {event_type}, not only {method} {path}"
            ));
        }
        self.tries.add(id, event.retry.as_ref(), &mut builder.notes);
        Some(pattern)
    }

    /// Adds a rule, and lets it invoke the function.
    fn rule(&mut self, words: &str, bus: Option<Tree>, on: (&str, Tree), age: u32, builder: &mut Builder) {
        let rule = builder.free(format!("{}{words}", self.id));
        let target = map! {
            "Id" => "function",
            "Arn" => arn(self.id),
            "RetryPolicy" => rule_policy(age),
            "DeadLetterConfig" => map! { "Arn" => arn(&failures_id(self.service)) },
        };
        let properties =
            map! {}.with("EventBusName", bus).with(on.0, Some(on.1)).with("Targets", Some(vec![target]));
        let permission = map! {
            "Action" => "lambda:InvokeFunction",
            "FunctionName" => reference(self.id),
            "Principal" => "events.amazonaws.com",
            "SourceArn" => arn(&rule),
        };
        let what = &self.function.id;
        builder.add(rule.clone(), what, resource("AWS::Events::Rule", properties));
        builder.add(format!("{rule}Permission"), what, resource("AWS::Lambda::Permission", permission));
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
