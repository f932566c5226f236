//! The values of a template's parameters: those that the user gives, then those of the last deployment, then the template's own.

use std::collections::{BTreeMap, BTreeSet};

use eg_grammar::{did_you_mean, list};
use serde_json::Value;

use crate::exit::{Exit, Failure};

/// Returns the parameters that AWS must be told of, each with its value, or `None` for that of the last deployment. `before` are the
/// parameters that the stack has.
pub(super) fn values(
    template: &Value,
    before: &BTreeSet<String>,
    given: &BTreeMap<String, String>,
) -> Result<Vec<(String, Option<String>)>, Failure> {
    let declared = template["Parameters"].as_object().cloned().unwrap_or_default();
    if let Some(unknown) = given.keys().find(|name| !declared.contains_key(*name)) {
        let known: Vec<&str> = declared.keys().map(String::as_str).collect();
        let message = format!("the template has no parameter `{unknown}`{}", did_you_mean(unknown, &known));
        let failure = Failure::new(Exit::Usage, message);
        return Err(if known.is_empty() {
            failure
        } else {
            failure.hint(format!("its parameters are {}", list(&known)))
        });
    }
    let mut values = Vec::new();
    for (name, parameter) in &declared {
        match given.get(name) {
            Some(value) => values.push((name.clone(), Some(value.clone()))),
            None if before.contains(name) => values.push((name.clone(), None)),
            None if !parameter["Default"].is_null() => {}
            None => {
                let description =
                    parameter["Description"].as_str().unwrap_or("the template does not say what it is");
                let message = format!("the template needs a value for its parameter `{name}`: {description}");
                return Err(
                    Failure::new(Exit::Usage, message).hint(format!("give it with --parameter {name}=VALUE"))
                );
            }
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_given_or_kept_or_the_default() {
        let template = json!({"Parameters": {
            "Stream": {"Type": "String", "Description": "The ARN of the stream"},
            "Topic": {"Type": "String", "Default": ""},
        }});
        let check = |before: &[&str], given: &[(&str, &str)], expected: &[(&str, Option<&str>)]| {
            let before = before.iter().map(ToString::to_string).collect();
            let given = given.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            let found = values(&template, &before, &given).unwrap();
            let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            assert_eq!(found, expected);
        };
        check(&[], &[("Stream", "s")], &[("Stream", Some("s"))]);
        check(&["Stream", "Topic"], &[], &[("Stream", None), ("Topic", None)]);
        check(&["Stream"], &[("Topic", "t")], &[("Stream", None), ("Topic", Some("t"))]);
        let refused = |given: &[(&str, &str)]| {
            let given = given.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            values(&template, &BTreeSet::new(), &given).unwrap_err().text()
        };
        assert_eq!(
            refused(&[]),
            "the template needs a value for its parameter `Stream`: The ARN of the stream\n\
             give it with --parameter Stream=VALUE"
        );
        assert_eq!(
            refused(&[("Topik", "t")]),
            "the template has no parameter `Topik`; did you mean `Topic`?\nits parameters are `Stream` and `Topic`"
        );
    }
}
