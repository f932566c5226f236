//! The tools of `cargo eg mcp`: for each, which command it is, and which of its arguments become which options. Running the
//! command is left to `mod`.

use serde_json::{Map, Value, json};

/// A tool and the command that it runs.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) effect: Effect,
    pub(super) prints: Prints,
    /// The words of the command.
    command: &'static [&'static str],
    parameters: &'static [Parameter],
}

/// What a tool changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    Reads,
    /// Functions are called.
    Calls,
    /// Something is lost.
    Discards,
}

/// What the command of a tool prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prints {
    /// Data of which the first are the most important.
    Data,
    /// Lines of which the last are the most important.
    Log,
    /// Data that are complete although the command fails because of them.
    Report,
}

/// A parameter of a tool.
#[derive(Debug, Clone, Copy)]
struct Parameter {
    name: &'static str,
    description: &'static str,
    kind: Kind,
    /// The option that takes it; `None` if its place is after all options.
    option: Option<&'static str>,
    required: bool,
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    /// The name of a package, not a path: what is built is the application's own code.
    Package,
    Number,
    /// Any JSON.
    Json,
    /// The option is given or not.
    Flag,
}

const fn text(name: &'static str, option: &'static str, description: &'static str) -> Parameter {
    Parameter { name, description, kind: Kind::Text, option: Some(option), required: false }
}

const fn number(name: &'static str, option: &'static str, description: &'static str) -> Parameter {
    Parameter { kind: Kind::Number, ..text(name, option, description) }
}

const fn flag(name: &'static str, option: &'static str, description: &'static str) -> Parameter {
    Parameter { kind: Kind::Flag, ..text(name, option, description) }
}

const fn json(name: &'static str, option: &'static str, description: &'static str) -> Parameter {
    Parameter { kind: Kind::Json, ..text(name, option, description) }
}

const fn required(parameter: Parameter) -> Parameter {
    Parameter { required: true, ..parameter }
}

const fn last(name: &'static str, description: &'static str) -> Parameter {
    Parameter { name, description, kind: Kind::Text, option: None, required: true }
}

const EVENT: Parameter = last("event", "Id of the event, or a unique prefix or suffix of it.");
const SOURCE: Parameter = text("source", "--source", "Only events from this source.");
const TYPE: Parameter = text("type", "--type", "Only events of this type.");
const FUNCTION: Parameter = text("function", "--function", "Only what concerns this function (name or id).");
const TO: Parameter = text("to", "--to", "Only to this function (name or id).");
const SINCE: Parameter =
    text("since", "--since", "Only since then: 10m, 2h, 1d, or a time such as 2026-01-31T12:00:00Z.");
const UNTIL: Parameter = text("until", "--until", "Only before this time.");
const LIMIT: Parameter = number("limit", "--limit", "Maximum number of results, 20 by default.");
const LETTER: Parameter = last("number", "Number of the dead letter, as list_dead_letters returns it.");

/// The tools, in the order in which they are listed.
pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "list_events",
        description: "Lists accepted events, the newest first, each with its payload and how many deliveries are in which state.",
        effect: Effect::Reads,
        prints: Prints::Data,
        command: &["events", "--json"],
        parameters: &[
            TYPE,
            SOURCE,
            text("subject", "--subject", "Only events about this subject."),
            text("text", "--text", "Only events whose JSON contains this text."),
            text(
                "state",
                "--state",
                "Only events with a delivery in this state: pending, in_flight, delivered, dead, expired, filtered.",
            ),
            FUNCTION,
            SINCE,
            UNTIL,
            LIMIT,
            flag("system", "--system", "Also list the gateway's own events."),
        ],
    },
    Tool {
        name: "explain_event",
        description: "Explains what happened to an event for each subscription: whether its filter matched, or which clause did not and \
                      with which value; each attempt with its error; when the next one is due.",
        effect: Effect::Reads,
        prints: Prints::Data,
        command: &["show", "--json"],
        parameters: &[EVENT, SOURCE, TYPE],
    },
    Tool {
        name: "emit_event",
        description: "Emits an event. The gateway stores it and delivers it to every function that subscribes to its type.",
        effect: Effect::Calls,
        prints: Prints::Data,
        command: &["emit", "--json"],
        parameters: &[
            required(text("type", "--event", "Type of the event, for example user.created.")),
            required(json("data", "--data", "Payload: any JSON. The manifest has the schemas of events.")),
            text("source", "--source", "Source of the event."),
            text("subject", "--subject", "Subject of the event."),
            text("id", "--id", "Id of the event; a new one by default."),
        ],
    },
    Tool {
        name: "replay_event",
        description: "Delivers a stored event again, to all subscriptions that match it today or to those of one function.",
        effect: Effect::Calls,
        prints: Prints::Data,
        command: &["replay", "--json"],
        parameters: &[EVENT, SOURCE, TYPE, TO],
    },
    Tool {
        name: "retry_event",
        description: "Attempts the deliveries of an event now that wait for their next attempt.",
        effect: Effect::Calls,
        prints: Prints::Data,
        command: &["retry", "--json"],
        parameters: &[EVENT, SOURCE, TYPE, TO],
    },
    Tool {
        name: "list_dead_letters",
        description: "Lists deliveries that were given up, the newest first, each with its event, its attempts and the reason.",
        effect: Effect::Reads,
        prints: Prints::Data,
        command: &["dead-letters", "list", "--json"],
        parameters: &[
            FUNCTION,
            TYPE,
            flag("expired", "--expired", "List expired deliveries, which reached their age limit, instead."),
            LIMIT,
        ],
    },
    Tool {
        name: "retry_dead_letter",
        description: "Delivers one dead letter again, with another payload if one is given.",
        effect: Effect::Calls,
        prints: Prints::Data,
        command: &["dead-letters", "retry", "--json"],
        parameters: &[LETTER, json("data", "--data", "Replaces the payload of the event.")],
    },
    Tool {
        name: "discard_dead_letter",
        description: "Discards one dead letter. The event and its attempts stay in the history.",
        effect: Effect::Discards,
        prints: Prints::Data,
        command: &["dead-letters", "discard", "--json"],
        parameters: &[LETTER],
    },
    Tool {
        name: "read_logs",
        description: "Returns what the functions of the local application printed, with START, END and REPORT lines as on Lambda.",
        effect: Effect::Reads,
        prints: Prints::Log,
        command: &["logs"],
        parameters: &[FUNCTION, SINCE],
    },
    Tool {
        name: "get_statistics",
        description: "Returns for each function its calls and failures of the last 15 minutes, p50 and p95, and its last failure; and what \
                      the gateway accepted in each minute of the last hour, what waits, and the size of the store.",
        effect: Effect::Reads,
        prints: Prints::Data,
        command: &["stats", "--json"],
        parameters: &[],
    },
    Tool {
        name: "get_manifest",
        description: "Builds a service, which runs the build scripts of the workspace, and returns its manifest: functions with source \
                      lines, triggers and emitted events, and the schemas of the events.",
        effect: Effect::Reads,
        prints: Prints::Data,
        command: &["manifest", "--json"],
        parameters: &[Parameter {
            kind: Kind::Package,
            required: false,
            ..last("package", "Package of the workspace; by default the one in the current folder.")
        }],
    },
    Tool {
        name: "get_map",
        description: "Builds the services, which runs the build scripts of the workspace, and returns their map as nodes and edges: what \
                      leads to which functions, what those emit, what no function emits or subscribes to, and loops.",
        effect: Effect::Reads,
        prints: Prints::Data,
        command: &["graph", "--format", "json"],
        parameters: &[text("service", "--service", "Only the functions of this service.")],
    },
    Tool {
        name: "check",
        description: "Builds the services, which runs the build scripts of the workspace, and checks them together: ids, routes, names, \
                      schemas, events that nobody emits, loops.",
        effect: Effect::Reads,
        prints: Prints::Report,
        command: &["check", "--json"],
        parameters: &[],
    },
];

/// The parameters with which a result can be made shorter.
const NARROWING: [&str; 4] = ["limit", "function", "since", "service"];

impl Tool {
    /// Returns what an agent can do if a result is too long, to end a sentence.
    pub(super) fn advice(&self) -> String {
        let narrowing =
            NARROWING.into_iter().filter(|name| self.parameters.iter().any(|one| one.name == *name));
        let narrowing: Vec<String> = narrowing.map(|name| format!("`{name}`")).collect();
        if narrowing.is_empty() {
            String::new()
        } else {
            format!(": ask for less with {}", narrowing.join(" or "))
        }
    }

    /// Returns the JSON Schema of the arguments.
    pub(super) fn schema(&self) -> Map<String, Value> {
        let properties = self.parameters.iter().map(|parameter| {
            let Parameter { name, description, .. } = parameter;
            let schema = match parameter.kind {
                Kind::Text | Kind::Package => json!({"type": "string", "description": description}),
                Kind::Number => json!({"type": "integer", "minimum": 1, "description": description}),
                Kind::Flag => json!({"type": "boolean", "description": description}),
                Kind::Json => json!({"description": description}),
            };
            ((*name).to_owned(), schema)
        });
        let required: Vec<&str> =
            self.parameters.iter().filter(|one| one.required).map(|one| one.name).collect();
        Map::from_iter([
            ("type".to_owned(), json!("object")),
            ("properties".to_owned(), Value::Object(properties.collect())),
            ("required".to_owned(), json!(required)),
            ("additionalProperties".to_owned(), json!(false)),
        ])
    }

    /// Returns the words of the command line for these arguments.
    ///
    /// # Errors
    /// Returns what is wrong with an argument.
    pub(super) fn words(&self, arguments: &Map<String, Value>) -> Result<Vec<String>, String> {
        if let Some(name) = arguments.keys().find(|name| !self.parameters.iter().any(|one| one.name == *name))
        {
            let known: Vec<&str> = self.parameters.iter().map(|one| one.name).collect();
            return Err(format!(
                "`{}` has no argument `{name}`: its arguments are {}",
                self.name,
                known.join(", ")
            ));
        }
        let mut words: Vec<String> = self.command.iter().map(|word| (*word).to_owned()).collect();
        let mut behind = Vec::new();
        for Parameter { name, kind, option, required, .. } in self.parameters {
            let value = match (arguments.get(*name), kind) {
                (None | Some(Value::Null), Kind::Json) if arguments.contains_key(*name) => "null".to_owned(),
                (None | Some(Value::Null), _) if *required => return Err(format!("`{name}` is missing")),
                (None | Some(Value::Null), _) => continue,
                (Some(value), Kind::Json) => value.to_string(),
                (Some(Value::String(text)), Kind::Text) => text.clone(),
                (Some(Value::String(text)), Kind::Package) if !text.contains(['/', '.']) => text.clone(),
                (Some(Value::Number(number)), Kind::Number) => number.to_string(),
                (Some(Value::Bool(true)), Kind::Flag) => {
                    words.extend(option.map(str::to_owned));
                    continue;
                }
                (Some(Value::Bool(false)), Kind::Flag) => continue,
                (Some(value), kind) => {
                    let wanted = match kind {
                        Kind::Number => "a number",
                        Kind::Flag => "true or false",
                        Kind::Package => "the name of a package",
                        Kind::Text | Kind::Json => "a string",
                    };
                    return Err(format!("`{name}` is {value}: it must be {wanted}"));
                }
            };
            match option {
                // One word, so that no value is taken for an option.
                Some(option) => words.push(format!("{option}={value}")),
                None => behind.push(value),
            }
        }
        if !behind.is_empty() {
            words.push("--".to_owned());
            words.append(&mut behind);
        }
        Ok(words)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn tool(name: &str) -> &'static Tool {
        TOOLS.iter().find(|tool| tool.name == name).unwrap()
    }

    fn words(name: &str, arguments: &Value) -> Result<Vec<String>, String> {
        tool(name).words(arguments.as_object().unwrap())
    }

    #[test]
    fn every_tool_is_a_command_with_all_its_options() {
        for tool in TOOLS {
            let arguments = tool.parameters.iter().map(|parameter| {
                let value = match (parameter.kind, parameter.name) {
                    (Kind::Number, _) => json!(3),
                    (Kind::Flag, _) => json!(true),
                    (_, "since" | "until") => json!("10m"),
                    (_, "state") => json!("dead"),
                    (_, "package") => json!("users"),
                    _ => json!("--text"),
                };
                (parameter.name.to_owned(), value)
            });
            let words = tool.words(&arguments.collect()).unwrap();
            let parsed = Cli::try_parse_from(std::iter::once("cargo-eg".to_owned()).chain(words.clone()));
            assert!(parsed.is_ok(), "{words:?}: {}", parsed.unwrap_err());
        }
    }

    #[test]
    fn arguments_become_options() {
        let given = json!({"type": "a b", "data": {"n": 1.0}, "id": "--x"});
        let expected = ["emit", "--json", "--event=a b", "--data={\"n\":1.0}", "--id=--x"];
        assert_eq!(words("emit_event", &given).unwrap(), expected);
        // Text that begins like a file name or an option is data.
        let file = json!({"type": "a", "data": "@/etc/passwd"});
        assert_eq!(words("emit_event", &file).unwrap()[3], "--data=\"@/etc/passwd\"");
        assert_eq!(words("explain_event", &json!({"event": "-h"})).unwrap(), ["show", "--json", "--", "-h"]);
        let nothing = json!({"system": false, "limit": null});
        assert_eq!(words("list_events", &nothing).unwrap(), ["events", "--json"]);
        assert_eq!(words("emit_event", &json!({"type": "a", "data": null})).unwrap()[3], "--data=null");
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (name, arguments, expected) in [
            ("explain_event", json!({}), "`event` is missing"),
            ("explain_event", json!({"event": 7}), "`event` is 7: it must be a string"),
            ("list_events", json!({"limit": "many"}), "`limit` is \"many\": it must be a number"),
            (
                "get_manifest",
                json!({"package": "../other"}),
                "`package` is \"../other\": it must be the name of a package",
            ),
            ("list_events", json!({"system": 1}), "`system` is 1: it must be true or false"),
            (
                "explain_event",
                json!({"event": "1", "id": "1"}),
                "`explain_event` has no argument `id`: its arguments are event, source, type",
            ),
        ] {
            assert_eq!(words(name, &arguments).unwrap_err(), expected);
        }
    }
}
