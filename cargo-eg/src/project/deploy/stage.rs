//! Checks the settings of one stage and gives them to the commands. Reading and merging them is left to its siblings.

use std::collections::BTreeMap;
use std::path::Path;

use eg_grammar::{did_you_mean, list};
use eg_sdk::manifest::Manifest;
use toml::Spanned;

use super::format::{Action, Bus, KeyAttribute, Map, Secret, Section, Service};
use super::{EVENT_BUS, STACK_NAME, format, is_lower_name, stack_name};
use crate::needs::FAILURES_QUEUE;
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

/// What `[deploy]` says about one stage.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stage {
    pub(crate) name: String,
    /// The name of the stack: `<stack>-<stage>`.
    pub(crate) stack: String,
    /// The region. `None`: that of the caller's AWS configuration.
    pub(crate) region: Option<String>,
    /// Whether commands refuse to remove the stage.
    pub(crate) protect: bool,
    /// The services, and the ids of the functions, that are not deployed.
    pub(crate) exclude: Vec<Named>,
    pub(crate) bus: Bus,
    /// Features of cargo with which the services are built for AWS.
    pub(crate) features: Vec<String>,
    /// Tags of all resources.
    pub(crate) tags: BTreeMap<String, String>,
    /// By name.
    pub(crate) tables: BTreeMap<String, Table>,
    /// The variables of all functions.
    pub(crate) variables: BTreeMap<String, Value>,
    /// Settings of the functions of one service: their variables.
    pub(crate) services: BTreeMap<Named, BTreeMap<String, Value>>,
    pub(crate) functions: BTreeMap<Named, FunctionSettings>,
}

/// A name and its place in the file, as `line:column`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) at: String,
}

/// A service or a function that does not exist.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// The place in the file, as `line:column`.
    pub(crate) at: String,
    pub(crate) text: String,
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Secret(Secret),
}

/// The settings of one function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FunctionSettings {
    pub(crate) variables: BTreeMap<String, Value>,
    /// Seconds.
    pub(crate) timeout: Option<u32>,
    /// Megabytes.
    pub(crate) memory: Option<u32>,
    /// How many environments the function may have at the same time.
    pub(crate) concurrency: Option<u32>,
}

/// A table of DynamoDB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// The variable with the name of the table.
    pub(crate) variable: String,
    /// The services whose functions get the variable and the rights.
    pub(crate) services: Vec<Named>,
    /// What these functions may do.
    pub(crate) actions: Vec<Action>,
    pub(crate) kept: Kept,
}

/// Who makes a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The stack, with this key.
    Here {
        partition_key: KeyAttribute,
        sort_key: Option<KeyAttribute>,
        /// The attribute with the time at which an item expires, in seconds since 1970.
        ttl: Option<String>,
    },
    /// Somebody else: its name or its ARN.
    Elsewhere(String),
}

type At<'a> = &'a dyn Fn(usize) -> String;

impl Stage {
    /// Checks the settings of a stage in an application's folder.
    pub(super) fn new(name: &str, section: Section, folder: &Path, at: At<'_>) -> Result<Self, Wrong> {
        let region = section.region.map(|region| checked_region(region, at)).transpose()?;
        let mut tables = BTreeMap::new();
        for (name, declared) in section.tables {
            let here = at(name.span().start);
            let table = table(&name, declared, at)?;
            let same = |(_, other): &(&String, &Table)| {
                other.variable == table.variable
                    && table.services.iter().any(|one| other.services.iter().any(|two| one.name == two.name))
            };
            if let Some((other, _)) = tables.iter().find(same) {
                let variable = &table.variable;
                let text =
                    format!("tables `{other}` and `{}` have the same variable `{variable}`", name.get_ref());
                return Err(Wrong::at(&here, format!("{text}: give each its own")));
            }
            tables.insert(name.into_inner(), table);
        }
        let variables = |environment, secrets| variables(environment, secrets, &tables, at);
        let all = variables(section.environment, section.secrets)?;
        let mut services = BTreeMap::new();
        for (name, Service { environment, secrets }) in section.service {
            services.insert(named(name, at), variables(environment, secrets)?);
        }
        let mut functions = BTreeMap::new();
        for (id, declared) in section.function {
            let format::Function { environment, secrets, timeout, memory, concurrency } = declared;
            let variables = variables(environment, secrets)?;
            functions.insert(named(id, at), FunctionSettings { variables, timeout, memory, concurrency });
        }
        Ok(Self {
            name: name.to_owned(),
            stack: stack(section.stack, name, folder, at)?,
            region,
            protect: section.protect.unwrap_or(false),
            exclude: section.exclude.into_iter().flatten().map(|name| named(name, at)).collect(),
            bus: section.bus.map(|Text(bus)| bus).unwrap_or_default(),
            features: section.features.unwrap_or_default(),
            tags: section.tags,
            tables,
            variables: all,
            services,
            functions,
        })
    }

    /// Returns the variables of a function: its own, then those of its service, then those of all functions. Those of tables
    /// are not among them.
    pub(crate) fn variables(&self, service: &str, function: &str) -> BTreeMap<&str, &Value> {
        let service = self.services.iter().filter(|(named, _)| named.name == service).map(|(_, set)| set);
        let function = self.function(function).map(|settings| &settings.variables);
        let sets = std::iter::once(&self.variables).chain(service).chain(function);
        sets.flatten().map(|(name, value)| (name.as_str(), value)).collect()
    }

    /// Returns the settings of a function.
    pub(crate) fn function(&self, id: &str) -> Option<&FunctionSettings> {
        self.functions.iter().find(|(named, _)| named.name == id).map(|(_, settings)| settings)
    }

    /// Returns the tables of a service, with their names.
    pub(crate) fn tables(&self, service: &str) -> impl Iterator<Item = (&str, &Table)> {
        let of_service = move |table: &&Table| table.services.iter().any(|named| named.name == service);
        self.tables
            .iter()
            .map(|(name, table)| (name.as_str(), table))
            .filter(move |(_, table)| of_service(table))
    }

    /// Returns the name or the ARN of a table: the stack's tables begin with the name of the stack.
    pub(crate) fn table_name(&self, name: &str, table: &Table) -> String {
        match &table.kept {
            Kept::Here { .. } => format!("{}-{name}", self.stack),
            Kept::Elsewhere(existing) => existing.clone(),
        }
    }

    /// Returns what is deployed of the services: without those, and without the functions, that are excluded.
    pub(crate) fn deployed(&self, mut manifest: Manifest) -> Option<Manifest> {
        let has = |name: &str| !self.exclude.iter().any(|named| named.name == name);
        manifest.functions.retain(|function| has(&function.id));
        (has(&manifest.service) && !manifest.functions.is_empty()).then_some(manifest)
    }

    /// Checks that the services and functions that the settings name exist.
    ///
    /// # Errors
    /// Returns the place and the message of the first one that does not.
    pub(crate) fn check_names<'a>(
        &self,
        manifests: impl Iterator<Item = &'a Manifest> + Clone,
    ) -> Result<(), Unknown> {
        let services: Vec<&str> = manifests.clone().map(|manifest| manifest.service.as_str()).collect();
        let functions =
            manifests.flat_map(|manifest| &manifest.functions).map(|function| function.id.as_str());
        let functions: Vec<&str> = functions.collect();
        let of_tables = self.tables.values().flat_map(|table| &table.services);
        let either: Vec<&str> = services.iter().chain(&functions).copied().collect();
        let excluded = self.exclude.iter().map(|named| ("service or function", named, &either));
        let named = of_tables.chain(self.services.keys()).map(|named| ("service", named, &services));
        let named =
            excluded.chain(named).chain(self.functions.keys().map(|named| ("function", named, &functions)));
        for (kind, Named { name, at }, known) in named {
            if !known.contains(&name.as_str()) {
                let hint = did_you_mean(name, known);
                return Err(Unknown {
                    at: at.clone(),
                    text: format!("no {kind} `{name}`{hint}; here are {}", list(known)),
                });
            }
        }
        Ok(())
    }
}

fn named(name: Spanned<String>, at: At<'_>) -> Named {
    Named { at: at(name.span().start), name: name.into_inner() }
}

/// Returns the name of the stack. Without `stack`, the folder names the application.
fn stack(given: Option<Spanned<String>>, stage: &str, folder: &Path, at: At<'_>) -> Result<String, Wrong> {
    let (application, here) = match given {
        Some(name) => (name.get_ref().clone(), Some(at(name.span().start))),
        None => (of_folder(folder), None),
    };
    let name = stack_name(&application, stage);
    let wrong = |text: String| match &here {
        Some(here) => Wrong::at(here, format!("`stack`: {text}")),
        None => Wrong::file(format!("{text}; name the application with `stack = \"…\"` in `[deploy]`")),
    };
    if !application.starts_with(|c: char| c.is_ascii_alphabetic())
        || !application.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        let text = "cannot name a stack: use letters, digits and `-`, and begin with a letter";
        return Err(wrong(format!("{application:?} {text}")));
    }
    if name.len() > STACK_NAME {
        return Err(wrong(format!("`{name}` has {} characters: {STACK_NAME} are allowed", name.len())));
    }
    Ok(name)
}

/// Returns a name for the application in a folder: the folder's, without the characters that names of stacks cannot have.
fn of_folder(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphabetic()).trim_end_matches('-');
    if name.is_empty() { "app".to_owned() } else { name.to_owned() }
}

fn checked_region(region: Spanned<String>, at: At<'_>) -> Result<String, Wrong> {
    if is_lower_name(region.get_ref()) && region.get_ref().contains('-') {
        return Ok(region.into_inner());
    }
    let text = format!("`region`: {:?} is not a region: write one, as in \"eu-central-1\"", region.get_ref());
    Err(Wrong::at(&at(region.span().start), text))
}

fn table(name: &Spanned<String>, declared: Spanned<format::Table>, at: At<'_>) -> Result<Table, Wrong> {
    let here = at(declared.span().start);
    let wrong = |text: &str| Wrong::at(&here, format!("table `{}`: {text}", name.get_ref()));
    if !is_table_name(name.get_ref()) {
        let text = format!("{:?} cannot name a table: use letters, digits, `-`, `_` and `.`", name.get_ref());
        return Err(Wrong::at(&at(name.span().start), text));
    }
    let format::Table { variable, services, partition_key, sort_key, ttl, actions, existing } =
        declared.into_inner();
    if services.is_empty() {
        return Err(wrong("`services` names none, so nobody could use it: name the services that do"));
    }
    let kept = match (existing, partition_key) {
        (Some(existing), None) if sort_key.is_none() && ttl.is_none() => Kept::Elsewhere(existing),
        (Some(_), _) => {
            return Err(wrong(
                "`existing` says that the table has a key already: remove `partition_key`, `sort_key` and `ttl`",
            ));
        }
        (None, None) => {
            return Err(wrong(
                "it needs a `partition_key`, as in `partition_key = \"id\"`, or the name of an `existing` table",
            ));
        }
        (None, Some(Text(partition_key))) => {
            let sort_key = sort_key.map(|Text(key)| key);
            if sort_key.as_ref().is_some_and(|key| key.name == partition_key.name) {
                return Err(wrong("`partition_key` and `sort_key` are the same attribute"));
            }
            Kept::Here { partition_key, sort_key, ttl }
        }
    };
    let actions = match actions {
        None => Action::usual(),
        Some(actions) => actions.into_iter().map(|Text(action)| action).collect(),
    };
    if actions.is_empty() {
        return Err(wrong(
            "`actions` allows nothing: remove it, or name what the services do with the table",
        ));
    }
    Ok(Table {
        variable: checked_variable(variable, at)?,
        services: services.into_iter().map(|service| named(service, at)).collect(),
        actions,
        kept,
    })
}

/// Whether a table can have the name: DynamoDB's rule, except for the length, which depends on the stack.
fn is_table_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || [b'-', b'_', b'.'].contains(&byte))
}

fn variables(
    environment: Map<String>,
    secrets: Map<Text<Secret>>,
    tables: &BTreeMap<String, Table>,
    at: At<'_>,
) -> Result<BTreeMap<String, Value>, Wrong> {
    let plain = environment.into_iter().map(|(name, value)| (name, Value::Text(value)));
    let secret = secrets.into_iter().map(|(name, Text(value))| (name, Value::Secret(value)));
    let mut all = BTreeMap::new();
    for (name, value) in plain.chain(secret) {
        let here = at(name.span().start);
        let name = checked_variable(name, at)?;
        if let Some((table, _)) = tables.iter().find(|(_, table)| table.variable == name) {
            return Err(Wrong::at(
                &here,
                format!("`{name}` is the variable of table `{table}`: remove one of them"),
            ));
        }
        if all.insert(name.clone(), value).is_some() {
            let text = format!("`{name}` is in `environment` and in `secrets`: remove one of them");
            return Err(Wrong::at(&here, text));
        }
    }
    Ok(all)
}

/// Checks that functions can have a variable with this name.
fn checked_variable(name: Spanned<String>, at: At<'_>) -> Result<String, Wrong> {
    let here = at(name.span().start);
    let name = name.into_inner();
    let of_lambda =
        SET_BY_LAMBDA.contains(&name.as_str()) || OF_LAMBDA.iter().any(|begin| name.starts_with(begin));
    if of_lambda {
        return Err(Wrong::at(&here, format!("`{name}` belongs to Lambda: give the variable another name")));
    }
    if name == EVENT_BUS {
        let text = format!("`{name}` follows from `bus`: remove it here");
        return Err(Wrong::at(&here, text));
    }
    if name == FAILURES_QUEUE {
        return Err(Wrong::at(&here, format!("`{name}` is set by `cargo eg deploy`: remove it here")));
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
