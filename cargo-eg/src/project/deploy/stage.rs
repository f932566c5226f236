//! Checks the settings of one stage and gives them to the commands. Reading and merging them is left to its siblings.

use std::collections::BTreeMap;
use std::path::Path;

use eg_grammar::{SecretReference, did_you_mean, list};
use eg_sdk::manifest::{Function, Manifest, Trigger};
use serde_json::Value as Json;
use toml::Spanned;

use super::domain::Domain;
use super::format::{self, Bus, Days, Section, Service, Statement, Vpc};
use super::gateway::Gateway;
use super::named::{At, Named};
use super::shared::{Kept, Queue, Shared, Table};
use super::variables::{Value, variables};
use super::{STACK_NAME, is_lower_name, stack_name};
use crate::project::mistake::Wrong;
use crate::project::values::Text;

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
    /// The gateway that calls the functions, instead of a bus and an HTTP API.
    pub(crate) gateway: Option<Gateway>,
    /// The domain name of the HTTP API.
    pub(crate) domain: Option<Domain>,
    /// For how many days EventBridge archives the events of the stack's bus. `None`: it does not.
    pub(crate) archive: Option<u32>,
    /// Features of cargo with which the services are built for AWS.
    pub(crate) features: Vec<String>,
    /// Tags of all resources.
    pub(crate) tags: BTreeMap<String, String>,
    /// By name.
    pub(crate) tables: BTreeMap<String, Table>,
    /// By name. Those that functions read and nobody sends to are not among them.
    pub(crate) queues: BTreeMap<String, Queue>,
    /// The file with resources that the stack gets as they are, relative to the `eg.toml`.
    pub(crate) resources: Option<Named>,
    /// The network of all functions that have none of their own.
    vpc: Option<Vpc>,
    /// The variables of all functions.
    pub(crate) variables: BTreeMap<String, Value>,
    /// Settings of the functions of one service: their variables.
    pub(crate) services: BTreeMap<Named, BTreeMap<String, Value>>,
    pub(crate) functions: BTreeMap<Named, FunctionSettings>,
}

/// A service or a function that does not exist.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// The place in the file, as `line:column`.
    pub(crate) at: String,
    pub(crate) text: String,
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
    /// Statements of IAM that the function's role gets as they are.
    pub(crate) policies: Vec<Json>,
    vpc: Option<Vpc>,
    /// The event types of subscriptions that the stage does not have.
    exclude: Vec<Named>,
}

impl Stage {
    /// Checks the settings of a stage in an application's folder.
    pub(super) fn new(name: &str, section: Section, folder: &Path, at: At<'_>) -> Result<Self, Wrong> {
        if let (Some(gateway), Some(_)) = (&section.gateway, &section.bus) {
            let text = "functions behind a gateway have no event bus: remove `gateway` or `bus`";
            return Err(Wrong::at(&at(gateway.span().start), text));
        }
        if let (Some(_), Some(domain)) = (&section.gateway, &section.domain) {
            let text = "functions behind a gateway have no HTTP API: remove `gateway` or `domain`";
            return Err(Wrong::at(&at(domain.span().start), text));
        }
        let region = section.region.map(|region| checked_region(region, at)).transpose()?;
        if let (Some(domain), Some(region)) = (&section.domain, &region) {
            let wrong = |text| Wrong::at(&at(domain.span().start), format!("`domain`: {text}"));
            domain.get_ref().check_region(region).map_err(wrong)?;
        }
        let shared = Shared::new(section.tables, section.queues, at)?;
        let variables =
            |environment, secrets| variables(environment, secrets, |variable| shared.owner_of(variable), at);
        let all = variables(section.environment, section.secrets)?;
        let mut services = BTreeMap::new();
        for (name, Service { environment, secrets }) in section.service {
            services.insert(Named::of(name, at), variables(environment, secrets)?);
        }
        let mut functions = BTreeMap::new();
        for (id, declared) in section.function {
            let format::Function {
                environment,
                secrets,
                timeout,
                memory,
                concurrency,
                policies,
                vpc,
                exclude,
            } = declared;
            let variables = variables(environment, secrets)?;
            let policies = policies.into_iter().flatten().map(|Statement(statement)| statement).collect();
            functions.insert(
                Named::of(id, at),
                FunctionSettings {
                    variables,
                    timeout,
                    memory,
                    concurrency,
                    policies,
                    vpc,
                    exclude: exclude.into_iter().flatten().map(|ty| Named::of(ty, at)).collect(),
                },
            );
        }
        Ok(Self {
            name: name.to_owned(),
            stack: stack(section.stack, name, folder, at)?,
            region,
            protect: section.protect.unwrap_or(false),
            exclude: section.exclude.into_iter().flatten().map(|name| Named::of(name, at)).collect(),
            gateway: section.gateway.map(Spanned::into_inner),
            domain: section.domain.map(Spanned::into_inner),
            bus: section.bus.map(|Text(bus)| bus).unwrap_or_default(),
            archive: section.archive.map(|Text(Days(days))| days),
            features: section.features.unwrap_or_default(),
            tags: section.tags,
            tables: shared.tables,
            queues: shared.queues,
            resources: section.resources.map(|file| Named::of(file, at)),
            vpc: section.vpc,
            variables: all,
            services,
            functions,
        })
    }

    /// Returns the variables of a function: its own, then those of its service, then those of all functions. Those of tables
    /// and queues are not among them.
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

    /// Returns the network of a function: its own, or that of all functions.
    pub(crate) fn vpc(&self, function: &str) -> Option<&Vpc> {
        self.function(function).and_then(|settings| settings.vpc.as_ref()).or(self.vpc.as_ref())
    }

    /// Returns the tables of a service, with their names.
    pub(crate) fn tables(&self, service: &str) -> impl Iterator<Item = (&str, &Table)> {
        let of_service = move |table: &&Table| table.services.iter().any(|named| named.name == service);
        self.tables
            .iter()
            .map(|(name, table)| (name.as_str(), table))
            .filter(move |(_, table)| of_service(table))
    }

    /// Returns the queues to which a service sends, with their names.
    pub(crate) fn queues(&self, service: &str) -> impl Iterator<Item = (&str, &Queue)> {
        let of_service = move |queue: &&Queue| queue.services.iter().any(|named| named.name == service);
        self.queues
            .iter()
            .map(|(name, queue)| (name.as_str(), queue))
            .filter(move |(_, queue)| of_service(queue))
    }

    /// Returns the secrets of a function: their variables, and where their values are.
    pub(crate) fn secrets(&self, service: &str, function: &str) -> BTreeMap<&str, &SecretReference> {
        let variables = self.variables(service, function).into_iter();
        let secrets = variables.filter_map(|(name, value)| match value {
            Value::Secret(reference) => Some((name, reference)),
            _ => None,
        });
        secrets.collect()
    }

    /// Whether any function may have a secret.
    pub(crate) fn has_secrets(&self) -> bool {
        let of_functions = self.functions.values().map(|settings| &settings.variables);
        let sets = std::iter::once(&self.variables).chain(self.services.values()).chain(of_functions);
        sets.flat_map(BTreeMap::values).any(|value| matches!(value, Value::Secret(_)))
    }

    /// Returns the name or the ARN of a table: the stack's tables begin with the name of the stack.
    pub(crate) fn table_name(&self, name: &str, table: &Table) -> String {
        match &table.kept {
            Kept::Here { .. } => format!("{}-{name}", self.stack),
            Kept::Elsewhere(existing) => existing.clone(),
        }
    }

    /// Returns what is deployed of a service: without the functions and subscriptions that are excluded, and the functions that only
    /// these would call. `None`: nothing of it is.
    pub(crate) fn deployed(&self, mut manifest: Manifest) -> Option<Manifest> {
        let has = |name: &str| !self.exclude.iter().any(|named| named.name == name);
        manifest.functions.retain_mut(|function| {
            let settings = self.function(&function.id);
            let excluded = settings.map(|settings| settings.exclude.as_slice()).unwrap_or_default();
            let is_excluded =
                |trigger: &Trigger| excluded.iter().any(|named| is_subscribed(trigger, &named.name));
            let is_called = function.triggers.is_empty() || !function.triggers.iter().all(is_excluded);
            function.triggers.retain(|trigger| !is_excluded(trigger));
            is_called && has(&function.id)
        });
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
        let all: Vec<&Function> = manifests.clone().flat_map(|manifest| &manifest.functions).collect();
        let services: Vec<&str> = manifests.map(|manifest| manifest.service.as_str()).collect();
        let functions: Vec<&str> = all.iter().map(|function| function.id.as_str()).collect();
        let of_tables = self.tables.values().flat_map(|table| &table.services);
        let of_queues = self.queues.values().flat_map(|queue| &queue.services);
        let either: Vec<&str> = services.iter().chain(&functions).copied().collect();
        let excluded = self.exclude.iter().map(|named| ("service or function", named, &either));
        let named =
            of_tables.chain(of_queues).chain(self.services.keys()).map(|named| ("service", named, &services));
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
        for function in all {
            let excluded = self.function(&function.id).into_iter().flat_map(|settings| &settings.exclude);
            for Named { name, at } in excluded {
                if !function.triggers.iter().any(|trigger| is_subscribed(trigger, name)) {
                    let known: Vec<&str> = function.events().map(|event| event.event_type.as_str()).collect();
                    let hint = did_you_mean(name, &known);
                    return Err(Unknown {
                        at: at.clone(),
                        text: format!("`{}` does not subscribe to `{name}`{hint}", function.id),
                    });
                }
            }
        }
        Ok(())
    }
}

/// Whether a trigger is a subscription to an event type.
fn is_subscribed(trigger: &Trigger, ty: &str) -> bool {
    matches!(trigger, Trigger::Event(event) if event.event_type == ty)
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
