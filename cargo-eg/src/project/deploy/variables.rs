//! Checks the names and values of variables. Which function gets which is left to `stage`.

use std::collections::BTreeMap;

use eg_grammar::SecretReference;
use eg_grammar::variable::{EVENT_BUS, FAILURES_QUEUE, SECRETS};
use serde_json::Value as Json;
use toml::Spanned;

use super::format::{Map, Setting};
use super::named::At;
use crate::project::mistake::Wrong;
use crate::project::values::Text;

/// Beginnings of variables that Lambda sets or refuses
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>).
const OF_LAMBDA: [&str; 3] = ["AWS_LAMBDA_", "_", "LAMBDA_"];
/// Further variables that Lambda sets.
const SET_BY_LAMBDA: [&str; 7] = [
    "AWS_EXECUTION_ENV",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Secret(SecretReference),
    /// A function of CloudFormation, as in `{ Ref = "Pictures" }`. Only AWS knows its value.
    Template(Json),
}

impl From<Setting> for Value {
    fn from(setting: Setting) -> Self {
        match setting {
            Setting::Text(text) => Self::Text(text),
            Setting::Function(function) => Self::Template(function),
        }
    }
}

/// Checks variables. `shared` says to which table or queue a variable belongs already.
pub(super) fn variables(
    environment: Map<Setting>,
    secrets: Map<Text<SecretReference>>,
    shared: impl Fn(&str) -> Option<String>,
    at: At<'_>,
) -> Result<BTreeMap<String, Value>, Wrong> {
    let plain = environment.into_iter().map(|(name, setting)| (name, setting.into()));
    let secret = secrets.into_iter().map(|(name, Text(value))| (name, Value::Secret(value)));
    let mut all = BTreeMap::new();
    for (name, value) in plain.chain(secret) {
        let here = at(name.span().start);
        let name = checked_name(name, at)?;
        if let Some(owner) = shared(&name) {
            return Err(Wrong::at(&here, format!("`{name}` is the variable of {owner}: remove one of them")));
        }
        if all.insert(name.clone(), value).is_some() {
            let text = format!("`{name}` is in `environment` and in `secrets`: remove one of them");
            return Err(Wrong::at(&here, text));
        }
    }
    Ok(all)
}

/// Checks that functions can have a variable with this name.
pub(super) fn checked_name(name: Spanned<String>, at: At<'_>) -> Result<String, Wrong> {
    let here = at(name.span().start);
    let name = name.into_inner();
    let of_lambda =
        SET_BY_LAMBDA.contains(&name.as_str()) || OF_LAMBDA.iter().any(|begin| name.starts_with(begin));
    if of_lambda {
        return Err(Wrong::at(&here, format!("`{name}` belongs to Lambda: give the variable another name")));
    }
    for (own, text) in [
        (EVENT_BUS, "follows from `bus`: remove it here"),
        (FAILURES_QUEUE, "is set by `cargo eg deploy`: remove it here"),
        (SECRETS, "follows from `secrets`: remove it here"),
    ] {
        if name == own {
            return Err(Wrong::at(&here, format!("`{name}` {text}")));
        }
    }
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() > 1
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match fits {
        true => Ok(name),
        false => {
            let text =
                "cannot name a variable: use two or more letters, digits and `_`, and begin with a letter";
            Err(Wrong::at(&here, format!("{name:?} {text}")))
        }
    }
}
