//! Describes a CloudFormation template in the words of the product: functions with their routes, subscriptions, schedules,
//! queues, settings and rights, and the other resources. Comparing two descriptions is left to `changes`.

use std::collections::{BTreeMap, BTreeSet};

use eg_sdk::manifest::{Function, RoutePath, Trigger};
use serde_json::{Map, Value};

use super::assets;
use crate::template::REGISTERED;

/// The types of resources that belong to functions and are described with them.
const OF_FUNCTIONS: [&str; 13] = [
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::RouteResponse",
    "AWS::Events::Rule",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Url",
    "AWS::Logs::LogGroup",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::Schedule",
];

/// A function, or a resource that belongs to none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subject {
    /// What it is: `function`, `queue`, or the type of the resource.
    pub(super) kind: String,
    /// Its own name, or its logical id in the template.
    pub(super) name: String,
    /// What it gets and may do, each in words.
    pub(super) facts: BTreeSet<String>,
    /// Settings by their names.
    pub(super) settings: BTreeMap<String, String>,
}

/// A template, read for descriptions.
pub(super) struct Reader<'a> {
    resources: &'a Map<String, Value>,
}

impl<'a> Reader<'a> {
    /// `template` may be anything; what is not a template has no resources.
    pub(super) fn new(template: &'a Value, nothing: &'a Map<String, Value>) -> Self {
        Self { resources: template["Resources"].as_object().unwrap_or(nothing) }
    }

    /// Returns the functions and the resources that belong to none, by logical id.
    pub(super) fn subjects(&self) -> BTreeMap<&'a str, Subject> {
        let mut subjects: BTreeMap<&'a str, Subject> = self
            .resources
            .iter()
            .filter(|(_, resource)| !OF_FUNCTIONS.contains(&kind(resource)))
            .map(|(id, resource)| (id.as_str(), self.subject(id, resource)))
            .collect();
        for resource in self.resources.values() {
            for (function, fact) in self.triggers(resource) {
                if let Some(subject) = subjects.get_mut(function) {
                    subject.facts.insert(fact);
                }
            }
        }
        subjects
    }

    fn subject(&self, id: &str, resource: &Value) -> Subject {
        let (kind, properties) = (kind(resource), &resource["Properties"]);
        let mut subject = Subject { name: name(id, resource), ..Subject::default() };
        subject.kind = match kind {
            "AWS::Lambda::Function" => "function",
            "AWS::SQS::Queue" => "queue",
            "AWS::DynamoDB::Table" => "table",
            "AWS::Events::Archive" => "event archive",
            "AWS::Events::EventBus" => "event bus",
            "AWS::ApiGatewayV2::Api" if properties["ProtocolType"] == "WEBSOCKET" => "WebSocket API",
            "AWS::ApiGatewayV2::Api" => "HTTP API",
            "AWS::ApiGatewayV2::DomainName" => "domain",
            "AWS::CloudWatch::Alarm" => "alarm",
            other => other,
        }
        .to_owned();
        if subject.kind == "function" {
            subject.facts.extend(self.rights(properties));
            subject.facts.extend(registered(resource));
            subject.settings = settings(resource);
        } else if let Some(properties) = properties.as_object() {
            // The operations of an API are routes of functions.
            let own =
                properties.iter().filter(|(key, _)| !(kind == "AWS::ApiGatewayV2::Api" && *key == "Body"));
            subject.settings = own.map(|(key, value)| (key.clone(), self.text(value))).collect();
        }
        subject
    }

    /// Returns what a resource makes call a function: the function's logical id, and the trigger in words.
    fn triggers(&self, resource: &'a Value) -> Vec<(&'a str, String)> {
        let properties = &resource["Properties"];
        match kind(resource) {
            "AWS::ApiGatewayV2::Route" => {
                let integration =
                    self.referenced(&properties["Target"]).and_then(|id| self.resources.get(id));
                let function = integration
                    .and_then(|integration| self.referenced(&integration["Properties"]["IntegrationUri"]));
                let route = properties["RouteKey"].as_str().unwrap_or_default();
                function.map(|function| (function, format!("route {route}"))).into_iter().collect()
            }
            "AWS::ApiGatewayV2::Api" => self.operations(&properties["Body"]),
            "AWS::Events::Rule" => {
                let what = match properties["ScheduleExpression"].as_str() {
                    Some(schedule) => vec![format!("schedule {schedule}")],
                    None => pattern(&properties["EventPattern"]),
                };
                let targets = properties["Targets"].as_array().into_iter().flatten();
                let called = targets.filter_map(|target| self.referenced(&target["Arn"]));
                // A queue may be between the rule and its function.
                let functions = called.flat_map(|called| match self.resources.get(called).map(kind) {
                    Some("AWS::SQS::Queue") => self.readers(called),
                    _ => vec![called],
                });
                functions.flat_map(|function| what.iter().map(move |what| (function, what.clone()))).collect()
            }
            "AWS::Scheduler::Schedule" => {
                let schedule = properties["ScheduleExpression"].as_str().unwrap_or_default();
                let function = self.referenced(&properties["Target"]["Arn"]);
                function.map(|function| (function, format!("schedule {schedule}"))).into_iter().collect()
            }
            "AWS::Lambda::EventSourceMapping" => {
                let source = &properties["EventSourceArn"];
                let source = match self.referenced(source).and_then(|id| Some((id, self.resources.get(id)?)))
                {
                    Some((id, queue)) if kind(queue) == "AWS::SQS::Queue" => {
                        format!("queue {}", name(id, queue))
                    }
                    _ => format!("stream {}", self.text(source)),
                };
                self.referenced(&properties["FunctionName"])
                    .map(|function| (function, source))
                    .into_iter()
                    .collect()
            }
            "AWS::Lambda::Url" => {
                let function = self.referenced(&properties["TargetFunctionArn"]);
                function.map(|function| (function, "function URL".to_owned())).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the functions that read a queue.
    pub(super) fn readers(&self, queue: &str) -> Vec<&'a str> {
        let mappings = self.resources.values().filter(|one| kind(one) == "AWS::Lambda::EventSourceMapping");
        let of_queue =
            mappings.filter(|one| self.referenced(&one["Properties"]["EventSourceArn"]) == Some(queue));
        of_queue.filter_map(|one| self.referenced(&one["Properties"]["FunctionName"])).collect()
    }

    /// Returns the routes of an API that is described in OpenAPI's language.
    fn operations(&self, body: &'a Value) -> Vec<(&'a str, String)> {
        let paths = body["paths"].as_object().into_iter().flatten();
        let operations = paths.flat_map(|(path, methods)| {
            methods
                .as_object()
                .into_iter()
                .flatten()
                .map(move |(method, operation)| (path, method, operation))
        });
        operations
            .filter_map(|(path, method, operation)| {
                let function = self.referenced(&operation["x-amazon-apigateway-integration"]["uri"])?;
                let method = if method.starts_with("x-") { "ANY".to_owned() } else { method.to_uppercase() };
                Some((function, format!("route {method} {path}")))
            })
            .collect()
    }

    /// Returns what the role of a function allows, one text for each action.
    fn rights(&self, function: &Value) -> Vec<String> {
        let Some(role) = self.referenced(&function["Role"]) else { return Vec::new() };
        let properties = self.resources.get(role).map_or(&Value::Null, |role| &role["Properties"]);
        let own =
            properties["Policies"].as_array().into_iter().flatten().map(|policy| &policy["PolicyDocument"]);
        let attached = self.resources.values().filter(|resource| {
            let roles = &resource["Properties"]["Roles"];
            kind(resource) == "AWS::IAM::Policy" && self.all_referenced(roles).contains(role)
        });
        let documents = own.chain(attached.map(|policy| &policy["Properties"]["PolicyDocument"]));
        let mut rights: Vec<String> = documents
            .flat_map(|document| list(&document["Statement"]))
            .flat_map(|statement| self.statement(statement))
            .collect();
        let managed = list(&properties["ManagedPolicyArns"]);
        rights.extend(managed.into_iter().map(|policy| format!("may what {} allows", self.text(policy))));
        rights
    }

    fn statement(&self, statement: &Value) -> Vec<String> {
        let verb = if statement["Effect"] == "Deny" { "may not" } else { "may" };
        let on: Vec<String> = list(&statement["Resource"]).into_iter().map(|on| self.text(on)).collect();
        let condition = match &statement["Condition"] {
            Value::Null => String::new(),
            condition => format!(" if {}", self.condition(condition)),
        };
        let actions = list(&statement["Action"]).into_iter().filter_map(Value::as_str);
        actions.map(|action| format!("{verb} {action} on {}{condition}", on.join(", "))).collect()
    }

    /// Returns a condition of IAM: `detail-type is user.created and source is /services/users`.
    fn condition(&self, condition: &Value) -> String {
        let operators = condition.as_object().into_iter().flatten();
        let tests = operators.flat_map(|(operator, keys)| {
            keys.as_object().into_iter().flatten().map(move |(key, values)| (operator, key, values))
        });
        let words = tests.map(|(operator, key, values)| {
            let values: Vec<String> = list(values).into_iter().map(|value| self.text(value)).collect();
            let is = if operator == "StringEquals" { "is" } else { operator.as_str() };
            format!("{key} {is} {}", values.join(" or "))
        });
        words.collect::<Vec<_>>().join(" and ")
    }

    /// Returns the first resource of this template that a value names.
    pub(super) fn referenced(&self, value: &Value) -> Option<&'a str> {
        self.all_referenced(value).into_iter().next()
    }

    /// Returns the resources of this template that a value names, with `Ref`, `Fn::GetAtt` or `Fn::Sub`.
    fn all_referenced(&self, value: &Value) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        self.collect(value, &mut found);
        found
    }

    fn collect(&self, value: &Value, found: &mut BTreeSet<&'a str>) {
        let known = |name: &str| self.resources.get_key_value(name).map(|(id, _)| id.as_str());
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.collect(item, found)),
            Value::Object(members) => {
                for (key, value) in members {
                    match (key.as_str(), value) {
                        ("Ref", Value::String(name)) => found.extend(known(name)),
                        ("Fn::GetAtt", Value::String(name)) => {
                            found.extend(name.split('.').next().and_then(known));
                        }
                        ("Fn::GetAtt", Value::Array(parts)) => {
                            found.extend(parts.first().and_then(Value::as_str).and_then(known));
                        }
                        ("Fn::Sub", Value::String(text)) => {
                            let named =
                                text.split("${").skip(1).filter_map(|part| part.split(['}', '.']).next());
                            found.extend(named.filter_map(known));
                        }
                        _ => self.collect(value, found),
                    }
                }
            }
            _ => {}
        }
    }

    /// Returns a value as text: references as the names of what they refer to, everything else as JSON.
    pub(super) fn text(&self, value: &Value) -> String {
        if let Value::String(text) = value {
            return text.clone();
        }
        let single = value.as_object().filter(|members| members.len() == 1);
        if let Some((function, argument)) = single.and_then(|members| members.iter().next()) {
            let named =
                |id: &str| self.resources.get(id).map_or(id.to_owned(), |resource| name(id, resource));
            match (function.as_str(), argument) {
                ("Ref", Value::String(id)) => return named(id),
                ("Fn::GetAtt", Value::Array(parts)) => {
                    let mut parts = parts.iter().filter_map(Value::as_str);
                    let id = parts.next().map(named).unwrap_or_default();
                    let rest: Vec<&str> = parts.filter(|part| *part != "Arn").collect();
                    return [&[id.as_str()], rest.as_slice()].concat().join(".");
                }
                ("Fn::Sub", Value::String(text)) => return text.clone(),
                _ => {}
            }
        }
        value.to_string()
    }
}

/// Returns what a gateway calls a function for, in words.
fn registered(function: &Value) -> Vec<String> {
    let Ok(function) = serde_json::from_value::<Function>(function["Metadata"][REGISTERED].clone()) else {
        return Vec::new();
    };
    let words = |trigger: &Trigger| match trigger {
        Trigger::Event(event) => {
            let at = format!("{} {}", event.method, event.path);
            match event.is_http() {
                true => vec![format!("route {at}")],
                false if event.path == RoutePath::root() => {
                    let filter = event.filter.as_ref().map(|filter| format!(" that matches {filter}"));
                    let order = if event.ordered { ", ordered" } else { "" };
                    vec![format!("subscription {}{}{order}", event.event_type, filter.unwrap_or_default())]
                }
                false => vec![format!("subscription {} at {at}", event.event_type)],
            }
        }
        Trigger::EventBridge { event_bridge, .. } => {
            serde_json::to_value(event_bridge).map(|one| pattern(&one)).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    function.triggers.iter().flat_map(words).collect()
}

/// Returns the type of a resource.
pub(super) fn kind(resource: &Value) -> &str {
    resource["Type"].as_str().unwrap_or_default()
}

/// Returns the name that a resource has besides its logical id, or else that.
pub(super) fn name(id: &str, resource: &Value) -> String {
    let properties = &resource["Properties"];
    let names = ["FunctionName", "QueueName", "TableName", "AlarmName", "DomainName"];
    let own = names.into_iter().map(|key| &properties[key]).find(|value| !value.is_null());
    let text = own.and_then(|own| own.as_str().or_else(|| own["Fn::Sub"].as_str()));
    let own = text.map_or(id, |text| text.strip_prefix("${AWS::StackName}-").unwrap_or(text));
    own.to_owned()
}

/// Returns the items of a value that is one item or a list.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

/// Returns a pattern of events in words, one text for each type of event.
fn pattern(pattern: &Value) -> Vec<String> {
    let types = list(&pattern["detail-type"]);
    let only_types = pattern.as_object().is_some_and(|members| members.len() == 1);
    match types.iter().map(|ty| ty.as_str()).collect::<Option<Vec<_>>>() {
        Some(types) if only_types && !types.is_empty() => {
            types.into_iter().map(|ty| format!("subscription {ty}")).collect()
        }
        _ => vec![format!("subscription {pattern}")],
    }
}

/// Returns the settings of a function. Of variables only a digest is compared, so that no value is shown.
fn settings(resource: &Value) -> BTreeMap<String, String> {
    let properties = &resource["Properties"];
    let mut settings = BTreeMap::new();
    for (key, name) in [
        ("MemorySize", "memory"),
        ("Timeout", "timeout"),
        ("Handler", "handler"),
        ("Runtime", "runtime"),
        ("Architectures", "architecture"),
        ("ReservedConcurrentExecutions", "concurrency"),
        ("TracingConfig", "tracing"),
        ("VpcConfig", "VPC"),
    ] {
        match &properties[key] {
            Value::Null => {}
            Value::Array(items) => {
                let words: Vec<String> = items.iter().map(plain).collect();
                settings.insert(name.to_owned(), words.join(", "));
            }
            value => drop(settings.insert(name.to_owned(), plain(value))),
        }
    }
    let code = assets::key(resource).map(assets::hash_of);
    settings.extend(code.map(|hash| ("code".to_owned(), hash.to_owned())));
    for (variable, value) in properties["Environment"]["Variables"].as_object().into_iter().flatten() {
        settings.insert(format!("{VARIABLE}{variable}"), plain(value));
    }
    settings
}

/// The beginning of the names of settings that are environment variables, whose values are not shown.
pub(super) const VARIABLE: &str = "variable ";

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
