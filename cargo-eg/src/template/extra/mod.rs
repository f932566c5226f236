//! Adds the resources and outputs of a file of the user to a template, as they are. Reading YAML with CloudFormation's tags is
//! left to `yaml`.

mod yaml;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use self::yaml::Entry;
use super::builder::Builder;
use super::{Application, Tree};
use crate::exit::{Exit, Failure};
use crate::project::deploy::{self, Deploy, Stage};

/// The longest logical id, in characters.
const ID: usize = 255;

/// What a file adds.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// The path of the file, as messages name it.
    file: PathBuf,
    resources: Vec<Entry>,
    outputs: Vec<Entry>,
}

/// What a value of CloudFormation refers to by its name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reference {
    /// A resource or a parameter.
    Resource(String),
    Condition(String),
    Mapping(String),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(name) => write!(f, "`{name}`"),
            Self::Condition(name) => write!(f, "the condition `{name}`"),
            Self::Mapping(name) => write!(f, "the mapping `{name}`"),
        }
    }
}

impl Extra {
    /// Reads the file that `resources` of a stage names, relative to the `eg.toml`. Without one, there is nothing to add.
    ///
    /// # Errors
    /// Names the file and the line of a mistake.
    pub(crate) fn of(deploy: &Deploy, stage: &Stage) -> Result<Self, Failure> {
        let Some(deploy::Named { name, at }) = &stage.resources else { return Ok(Self::default()) };
        let path = deploy.folder.join(name);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let declared = deploy.file.as_deref().unwrap_or(&deploy.folder).display();
            let message = format!("{declared}:{at}: cannot read `resources`: {}", path.display());
            Failure::because(Exit::Usage, message, error)
        })?;
        Self::read(&text, &path)
            .map_err(|(line, text)| Failure::new(Exit::Usage, format!("{}:{line}: {text}", path.display())))
    }

    /// Reads the text of a file. An error has the line, or the line and the column, of the mistake.
    pub(super) fn read(text: &str, file: &Path) -> Result<Self, (String, String)> {
        let yaml::File { resources, outputs, .. } = yaml::read(text)?;
        for Entry { id, line, tree } in resources.iter().chain(&outputs) {
            let wrong = |text: String| Err((line.to_string(), text));
            if id.is_empty() || id.len() > ID || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return wrong(format!("`{id}` cannot be a logical id: use letters and digits, at most {ID}"));
            }
            if !matches!(tree, Tree::Map(_)) {
                return wrong(format!("`{id}` is not a map of properties"));
            }
        }
        let untyped = resources.iter().find(|entry| entry.member("Type").and_then(Tree::as_text).is_none());
        if let Some(Entry { id, line, .. }) = untyped {
            return Err((line.to_string(), format!("resource `{id}` has no `Type`")));
        }
        if let Some(Entry { id, line, .. }) = outputs.iter().find(|entry| entry.member("Value").is_none()) {
            return Err((line.to_string(), format!("output `{id}` has no `Value`")));
        }
        Ok(Self { file: file.to_owned(), resources, outputs })
    }

    /// Returns the logical ids of the resources.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.resources.iter().map(|entry| entry.id.as_str())
    }

    /// Adds the resources. A logical id that the template has already is a problem that names both places.
    pub(super) fn add_resources(&self, application: &Application<'_>, builder: &mut Builder) {
        for Entry { id, line, tree } in &self.resources {
            let place = format!("{}:{line}", self.file.display());
            match builder.owner(id) {
                Some(owner) => {
                    let source = application.functions().find(|(_, function)| function.id == owner);
                    let source = source.map(|(_, function)| format!(" ({})", function.source));
                    builder.problems.push(format!(
                        "{place}: the template makes `{id}` for {owner}{}: rename it in the file",
                        source.unwrap_or_default()
                    ));
                }
                None => builder.add(id.clone(), &place, tree.clone()),
            }
        }
    }

    /// Adds the outputs to those of the template.
    pub(super) fn add_outputs(&self, outputs: &mut Vec<(String, Tree)>, problems: &mut Vec<String>) {
        for Entry { id, line, tree } in &self.outputs {
            if outputs.iter().any(|(known, _)| known == id) {
                let place = format!("{}:{line}", self.file.display());
                problems.push(format!(
                    "{place}: the template has the output `{id}` already: rename it in the file"
                ));
            } else {
                outputs.push((id.clone(), tree.clone()));
            }
        }
    }

    /// Returns what the file and the settings of functions refer to and the template does not have. `has` says what it has.
    pub(super) fn dangling(
        &self,
        application: &Application<'_>,
        has: impl Fn(&Reference) -> bool,
    ) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |what: &str, value: &Value| {
            let mut named = BTreeSet::new();
            collect(value, &mut named);
            let is_of_aws =
                |one: &Reference| matches!(one, Reference::Resource(name) if name.starts_with("AWS::"));
            let unknown = named.into_iter().filter(|one| !is_of_aws(one) && !has(one));
            problems
                .extend(unknown.map(|one| format!("{what} refers to {one}, which is not in the template")));
        };
        for entry @ Entry { id, line, tree } in self.resources.iter().chain(&self.outputs) {
            let what = format!("{}:{line}: `{id}`", self.file.display());
            check(&what, &serde_json::to_value(tree).unwrap_or_default());
            if let Some(condition) = entry.member("Condition").and_then(Tree::as_text) {
                check(&what, &json!({"Condition": condition}));
            }
        }
        if let Some(domain) = &application.stage.domain {
            check("`certificate` of `domain`", &domain.certificate);
        }
        for (manifest, function) in application.functions() {
            let settings = application.stage.function(&function.id);
            for statement in settings.iter().flat_map(|settings| &settings.policies) {
                check(&format!("{}: a statement of `policies`", function.id), statement);
            }
            for id in application.stage.vpc(&function.id).into_iter().flat_map(deploy::Vpc::ids) {
                check(&format!("{}: its `vpc`", function.id), id);
            }
            for (name, value) in application.stage.variables(&manifest.service, &function.id) {
                if let deploy::Value::Template(value) = value {
                    check(&format!("{}: the variable `{name}`", function.id), value);
                }
            }
        }
        problems
    }
}

/// Collects what a value refers to.
fn collect(value: &Value, found: &mut BTreeSet<Reference>) {
    let resource = |name: &str| Reference::Resource(name.to_owned());
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) => {
            for (key, value) in members {
                match (key.as_str(), value) {
                    ("Ref" | "DependsOn", Value::String(name)) => drop(found.insert(resource(name))),
                    ("DependsOn", Value::Array(names)) => {
                        found.extend(names.iter().filter_map(Value::as_str).map(resource));
                    }
                    ("Fn::GetAtt", Value::Array(parts)) => {
                        found.extend(parts.first().and_then(Value::as_str).map(resource));
                    }
                    ("Fn::GetAtt", Value::String(text)) => {
                        found.extend(text.split('.').next().map(resource));
                    }
                    ("Fn::Sub", Value::String(text)) => {
                        found.extend(substituted(text).map(Reference::Resource));
                    }
                    ("Fn::Sub", Value::Array(parts)) => {
                        let own = parts.get(1).and_then(Value::as_object);
                        let text = parts.first().and_then(Value::as_str).unwrap_or_default();
                        let foreign =
                            substituted(text).filter(|name| !own.is_some_and(|own| own.contains_key(name)));
                        found.extend(foreign.map(Reference::Resource));
                        own.into_iter().flat_map(|own| own.values()).for_each(|value| collect(value, found));
                    }
                    // With other members, it is a property of some resources, as of containers of ECS.
                    ("Condition", Value::String(name)) if members.len() == 1 => {
                        found.insert(Reference::Condition(name.clone()));
                    }
                    ("Fn::If", Value::Array(parts)) => {
                        let name = parts.first().and_then(Value::as_str);
                        found.extend(name.map(|name| Reference::Condition(name.to_owned())));
                        collect(value, found);
                    }
                    ("Fn::FindInMap", Value::Array(parts)) => {
                        let name = parts.first().and_then(Value::as_str);
                        found.extend(name.map(|name| Reference::Mapping(name.to_owned())));
                        collect(value, found);
                    }
                    _ => collect(value, found),
                }
            }
        }
        _ => {}
    }
}

/// Returns the names in `${Name}` and `${Name.Attribute}`. `${!Name}` is a text.
fn substituted(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split("${").skip(1).filter_map(|part| part.split_once('}'));
    let names = parts.map(|(name, _)| name).filter(|name| !name.starts_with('!'));
    names.filter_map(|name| name.trim().split('.').next()).map(str::to_owned)
}

#[cfg(test)]
mod tests;
