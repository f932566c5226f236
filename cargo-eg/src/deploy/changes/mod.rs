//! Compares the templates of two deployments: what appears, changes and disappears, in the words of the product. `described`
//! reads a template; `losses` says which data would go.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::{Map, Value};

use super::described::{Reader, Subject, VARIABLE, kind};
use crate::console::text::{BOLD, DIM, GREEN, RED, YELLOW, count, one_line};
use crate::template::joined;

/// The longest value of a setting that is shown, in characters.
const SHOWN: usize = 60;

/// What happens to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    Added,
    Changed,
    /// Deleted and created again, because AWS cannot change it.
    Replaced,
    Removed,
}

/// A change of one thing.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    change: Change,
    /// What it is, for example `function`.
    kind: String,
    name: String,
    /// The logical id in the template.
    id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Detail>,
}

/// A change within a thing.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Detail {
    change: Change,
    what: String,
}

/// All changes between two templates.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Changes {
    entries: Vec<Entry>,
    /// How many resources are created, changed and deleted, with those that belong to functions.
    resources: [usize; 3],
}

/// The properties that AWS cannot change, by the type of the resource.
const CREATE_ONLY: [(&str, &[&str]); 11] = [
    ("AWS::ApiGatewayV2::Api", &["ProtocolType"]),
    ("AWS::ApiGatewayV2::ApiMapping", &["DomainName"]),
    ("AWS::ApiGatewayV2::DomainName", &["DomainName"]),
    ("AWS::DynamoDB::Table", &["AttributeDefinitions", "KeySchema", "LocalSecondaryIndexes", "TableName"]),
    ("AWS::Events::EventBus", &["Name"]),
    ("AWS::Kinesis::Stream", &["Name"]),
    ("AWS::Lambda::Function", &["FunctionName", "PackageType"]),
    ("AWS::Logs::LogGroup", &["LogGroupName"]),
    ("AWS::S3::Bucket", &["BucketName"]),
    ("AWS::SNS::Topic", &["FifoTopic", "TopicName"]),
    ("AWS::SQS::Queue", &["FifoQueue", "QueueName"]),
];

/// The properties that the descriptions of functions contain.
const DESCRIBED: [&str; 9] = [
    "Body",
    "EventPattern",
    "IntegrationUri",
    "Policies",
    "PolicyDocument",
    "RouteKey",
    "ScheduleExpression",
    "Target",
    "Targets",
];

/// Whether AWS deletes the resource and creates it again when `old` becomes `new`.
pub(super) fn is_replaced(old: &Value, new: &Value) -> bool {
    let kind = kind(old);
    if kind != self::kind(new) {
        return true;
    }
    let fixed = CREATE_ONLY.iter().find(|(ty, _)| *ty == kind).map_or(&[][..], |(_, properties)| properties);
    fixed.iter().any(|property| old["Properties"][property] != new["Properties"][property])
}

impl Changes {
    /// Compares the template of the last deployment with a new one. `None`: there is no earlier deployment.
    pub(crate) fn between(old: Option<&Value>, new: &Value) -> Self {
        let (nothing, null) = (Map::new(), Value::Null);
        let (old_whole, new_whole) = (old.unwrap_or(&null), new);
        let (old, new) = (&*joined(old_whole), &*joined(new_whole));
        let (before, after) = (Reader::new(old, &nothing), Reader::new(new, &nothing));
        let (was, is) = (before.subjects(), after.subjects());
        let none = Subject::default();
        let mut entries = Vec::new();
        for id in was.keys().chain(is.keys()).copied().collect::<BTreeSet<&str>>() {
            let (change, details, shown) = match (was.get(id), is.get(id)) {
                (None, Some(is)) => (Change::Added, details(&none, is, false), is),
                (Some(was), None) => (Change::Removed, Vec::new(), was),
                (Some(was), Some(is)) => {
                    let replaced = is_replaced(&old["Resources"][id], &new["Resources"][id]);
                    let details = details(was, is, true);
                    if details.is_empty() && !replaced {
                        continue;
                    }
                    (if replaced { Change::Replaced } else { Change::Changed }, details, is)
                }
                (None, None) => continue,
            };
            let Subject { kind, name, .. } = shown;
            entries.push(Entry {
                change,
                kind: kind.clone(),
                name: name.clone(),
                id: id.to_owned(),
                details,
            });
        }
        let mut changes = Self { entries, resources: [0; 3] };
        changes.count(old, new, |id| was.contains_key(id) || is.contains_key(id));
        if changes.entries.is_empty() && old_whole != new_whole {
            changes.entries.push(Entry::of_template());
        }
        // Functions first, then by their names.
        changes.entries.sort_by(|a, b| {
            (a.kind != "function", &a.kind, &a.name).cmp(&(b.kind != "function", &b.kind, &b.name))
        });
        changes
    }

    /// Counts the resources that change, and adds those changes that no description has.
    fn count(&mut self, old: &Value, new: &Value, described: impl Fn(&str) -> bool) {
        let resources = |template: &Value| template["Resources"].as_object().cloned().unwrap_or_default();
        let (old, new) = (resources(old), resources(new));
        let [created, changed, deleted] = &mut self.resources;
        for (id, is) in &new {
            match old.get(id) {
                None => *created += 1,
                Some(was) if was == is => {}
                Some(was) if is_replaced(was, is) => {
                    *created += 1;
                    *deleted += 1;
                }
                Some(was) => {
                    *changed += 1;
                    let keys = other_keys(was, is);
                    if !described(id) && !keys.is_empty() {
                        let details = vec![Detail { change: Change::Changed, what: keys.join(", ") }];
                        let (kind, name) = (kind(is).to_owned(), id.clone());
                        self.entries.push(Entry {
                            change: Change::Changed,
                            kind,
                            name,
                            id: id.clone(),
                            details,
                        });
                    }
                }
            }
        }
        *deleted += old.keys().filter(|id| !new.contains_key(*id)).count();
    }

    /// Whether nothing changes.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the changes as text, a line for each, and their numbers.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for Entry { change, kind, name, details, .. } in &self.entries {
            let (style, sign) = (change.style(), change.sign());
            let note = if *change == Change::Replaced { " is deleted and created again" } else { "" };
            let _ = writeln!(
                text,
                "{style}{sign}{style:#} {kind} {BOLD}{}{BOLD:#}{style}{note}{style:#}",
                one_line(name)
            );
            for Detail { change, what } in details {
                let (style, sign) = (change.style(), change.sign());
                let _ = writeln!(text, "    {style}{sign}{style:#} {}", one_line(what));
            }
        }
        let [created, changed, deleted] = self.resources;
        let numbers = [(created, "created"), (changed, "changed"), (deleted, "deleted")];
        let words: Vec<String> = numbers
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{number} {what}"))
            .collect();
        if !words.is_empty() {
            let all = count(created + changed + deleted, "resource");
            let _ = writeln!(text, "{DIM}{all}: {}{DIM:#}", words.join(", "));
        }
        text
    }
}

impl Entry {
    /// The change of a template whose resources stay.
    fn of_template() -> Self {
        let name = "outputs, descriptions or policies".to_owned();
        Self {
            change: Change::Changed,
            kind: "template".to_owned(),
            name,
            id: String::new(),
            details: Vec::new(),
        }
    }
}

impl Change {
    fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Changed => '~',
            Self::Replaced => '!',
            Self::Removed => '-',
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Added => GREEN,
            Self::Changed => YELLOW,
            Self::Replaced => AnsiColor::Red.on_default().bold(),
            Self::Removed => RED,
        }
    }
}

/// Returns what changes within a thing. What is new has no changed settings.
fn details(was: &Subject, is: &Subject, compares_settings: bool) -> Vec<Detail> {
    let detail = |change, what: &str| Detail { change, what: what.to_owned() };
    let mut details: Vec<Detail> =
        was.facts.difference(&is.facts).map(|fact| detail(Change::Removed, fact)).collect();
    details.extend(is.facts.difference(&was.facts).map(|fact| detail(Change::Added, fact)));
    if compares_settings {
        let names: BTreeSet<&String> = was.settings.keys().chain(is.settings.keys()).collect();
        details.extend(names.into_iter().filter_map(|name| setting(name, &was.settings, &is.settings)));
    }
    details
}

fn setting(name: &str, was: &BTreeMap<String, String>, is: &BTreeMap<String, String>) -> Option<Detail> {
    let is_shown = |value: &str| !name.starts_with(VARIABLE) && value.chars().count() <= SHOWN;
    let with = |value: &str| if is_shown(value) { format!("{name} {value}") } else { name.to_owned() };
    let (change, what) = match (was.get(name), is.get(name)) {
        (None, Some(is)) => (Change::Added, with(is)),
        (Some(was), None) => (Change::Removed, with(was)),
        (Some(was), Some(is)) if was != is && is_shown(was) && is_shown(is) => {
            (Change::Changed, format!("{name} {was} → {is}"))
        }
        (Some(was), Some(is)) if was != is => (Change::Changed, name.to_owned()),
        _ => return None,
    };
    Some(Detail { change, what })
}

/// Returns the properties and attributes of a resource that differ and are in no description.
fn other_keys(was: &Value, is: &Value) -> Vec<String> {
    let differing = |was: &Value, is: &Value| -> Vec<String> {
        let members = [was, is].into_iter().filter_map(Value::as_object);
        let both: BTreeSet<String> = members.flat_map(Map::keys).cloned().collect();
        both.into_iter().filter(|key| was[key] != is[key]).collect()
    };
    let mut found = differing(was, is);
    found.retain(|key| !["DependsOn", "Metadata", "Properties"].contains(&key.as_str()));
    let properties = differing(&was["Properties"], &is["Properties"]);
    found.extend(properties.into_iter().filter(|key| !DESCRIBED.contains(&key.as_str())));
    found
}

#[cfg(test)]
mod tests;
