//! Generates the rules that deliver events to functions: one for all event types of a function that Lambda retries alike, and one for
//! each that a queue retries.

use std::collections::BTreeMap;

use eg_sdk::manifest::{EventTrigger, Function, Method, RoutePath, Trigger};
use serde_json::{Value, json};

use crate::needs::{self, PATTERN, Retries, Rule, Tries, retry_of, rule_of};
use crate::sockets::is_socket;

use super::builder::{Builder, resource};
use super::names::{arn, pascal, reference};
use super::queues::failures_id;
use super::retry::{rule_age, rule_policy};
use super::{Application, Tree, map};

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

/// The rules of one function.
pub(super) struct Rules<'a> {
    application: &'a Application<'a>,
    function: &'a Function,
    service: &'a str,
    /// The logical id of the function.
    id: &'a str,
    /// The logical ids of the rules.
    pub(super) made: Vec<String>,
    /// The rules that send to queues, by the logical ids of these.
    pub(super) into_queues: BTreeMap<String, Vec<String>>,
}

/// How a rule hands events to a function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// The rule invokes the function, and tries to for this many seconds.
    Directly { age: u32 },
    /// The rule sends to the queue of a trigger with this name.
    Queued(String),
}

/// Returns the name of a trigger in logical ids. It depends on nothing but what the trigger gets.
fn named(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Event(event) => pascal(&format!("on {}", event.event_type)),
        Trigger::EventBridge { event_bridge, .. } => {
            pascal(&format!("on {}", event_bridge.detail_type.join(" ")))
        }
        _ => "Schedule".to_owned(),
    }
}

/// Returns the logical id of the queue between the rules of a trigger with this name and the function.
fn queue_id(function: &str, named: &str) -> String {
    format!("{function}{named}Queue")
}

/// Returns the logical ids of the queues that retry events for a function, and how they do.
///
/// Each event type has its own: CloudFormation replaces a queue whose logical id changes, and nobody would read the events in the
/// old one. So the id must not depend on other subscriptions, or on what `retry` says.
pub(super) fn queues_of(
    application: &Application<'_>,
    function: &Function,
    id: &str,
    problems: &mut Vec<String>,
) -> BTreeMap<String, Retries> {
    let stage = Some(application.stage);
    let place = format!("{} ({})", function.id, function.source);
    problems
        .extend(Retries::impossible(function, stage).into_iter().map(|reason| format!("{place}: {reason}")));
    let mut queues = BTreeMap::new();
    for trigger in function.triggers.iter().filter(|trigger| rule_of(trigger, stage).is_some()) {
        let Ok(Some(retries)) = Retries::of(function, retry_of(trigger), stage) else { continue };
        let queue = queue_id(id, &named(trigger));
        if let Some(other) = queues.insert(queue.clone(), retries)
            && other != retries
        {
            problems.push(format!(
                "{place}: two of its subscriptions share the queue `{queue}`, so they need the same `retry`"
            ));
        }
    }
    queues
}

impl<'a> Rules<'a> {
    pub(super) fn new(
        application: &'a Application<'a>,
        service: &'a str,
        function: &'a Function,
        id: &'a str,
    ) -> Self {
        Self { application, function, service, id, made: Vec::new(), into_queues: BTreeMap::new() }
    }

    /// Adds the rules for the function's triggers.
    pub(super) fn add(&mut self, builder: &mut Builder) {
        // The event types by how they reach the function.
        let mut types: BTreeMap<Way, Vec<&str>> = BTreeMap::new();
        for trigger in &self.function.triggers {
            if let Trigger::Event(event) = trigger {
                self.review(event, builder);
            }
            let Some(rule) = rule_of(trigger, Some(self.application.stage)) else { continue };
            let way = self.way(trigger, builder);
            let bus = matches!(rule, Rule::OfBus(_)).then(|| self.application.bus());
            let on = match (trigger, rule) {
                (Trigger::Event(event), Rule::OfBus(pattern))
                    if pattern.get("detail-type").is_some() && event.filter.is_none() =>
                {
                    types.entry(way).or_default().push(&event.event_type);
                    continue;
                }
                (_, Rule::OfBus(pattern) | Rule::OfAws(pattern)) => ("EventPattern", pattern.into()),
                (_, Rule::Schedule(schedule)) => ("ScheduleExpression", schedule.as_str().into()),
            };
            self.rule(&named(trigger), bus, on, &way, builder);
        }
        for (way, types) in types {
            let words = match &way {
                Way::Directly { age } if *age == rule_age(None) => "Rule".to_owned(),
                Way::Directly { age } => format!("Rule{age}"),
                Way::Queued(named) => named.clone(),
            };
            for pattern in patterns(&types) {
                let bus = Some(self.application.bus());
                self.rule(&words, bus, ("EventPattern", pattern.into()), &way, builder);
            }
        }
    }

    /// Returns how the events of a trigger reach the function.
    fn way(&self, trigger: &Trigger, builder: &mut Builder) -> Way {
        let retry = retry_of(trigger);
        // What SQS cannot do is a problem already.
        if let Ok(Some(retries)) = Retries::of(self.function, retry, Some(self.application.stage)) {
            builder.notes.extend(retries.note(&self.function.id, retry));
            return Way::Queued(named(trigger));
        }
        builder.notes.extend(Tries::note(&self.function.id, retry));
        Way::Directly { age: rule_age(retry) }
    }

    /// Reports what a bus cannot do for a subscription.
    fn review(&self, event: &EventTrigger, builder: &mut Builder) {
        // Its route, the gateway or the WebSocket API delivers its events.
        if self.application.is_behind_gateway() || needs::is_route(event) || is_socket(event) {
            return;
        }
        let EventTrigger { event_type, method, path, .. } = event;
        let id = &self.function.id;
        if let Err(reason) = needs::pattern(event) {
            let instead = leave_out(self.function, event_type);
            builder.problems.push(format!("{id} ({}): {reason}; {instead}", self.function.source));
        } else if *path != RoutePath::root() || *method != Method::Post {
            builder.notes.push(format!(
                "{id}: an event bus has no paths, so it gets every {event_type}, not only {method} {path}"
            ));
        }
    }

    /// Adds a rule, and lets it invoke the function, unless it sends to a queue.
    fn rule(&mut self, words: &str, bus: Option<Tree>, on: (&str, Tree), way: &Way, builder: &mut Builder) {
        let rule = builder.free(format!("{}{words}", self.id));
        let (queue, age) = match way {
            Way::Directly { age } => (None, *age),
            Way::Queued(named) => (Some(queue_id(self.id, named)), rule_age(None)),
        };
        let target = map! {
            "Id" => if queue.is_some() { "queue" } else { "function" },
            "Arn" => arn(queue.as_deref().unwrap_or(self.id)),
            "RetryPolicy" => rule_policy(age),
            "DeadLetterConfig" => map! { "Arn" => arn(&failures_id(self.service)) },
        };
        let properties =
            map! {}.with("EventBusName", bus).with(on.0, Some(on.1)).with("Targets", Some(vec![target]));
        let what = &self.function.id;
        builder.add(rule.clone(), what, resource("AWS::Events::Rule", properties));
        match queue {
            Some(queue) => self.into_queues.entry(queue).or_default().push(rule.clone()),
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
