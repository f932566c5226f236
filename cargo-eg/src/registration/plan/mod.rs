//! Computes what must change at a gateway so that it matches the manifests, by comparing two lists for each kind of
//! resource. Calling the gateway is left to `register`.
//!
//! Invariant: only resources with the owner's labels are changed or deleted.

mod bus;

use std::collections::{BTreeMap, BTreeSet};

use eg_grammar::{Spelling, cors as defaults};
use eg_sdk::config::{
    Aws, Cors, EventType, Function, FunctionNotes, Provider, Retry, RetryLimits, Subscription,
    SubscriptionType,
};
use eg_sdk::manifest::{self, CorsOptions, EventSchema, EventTrigger, Manifest, RetryOptions, Trigger};

use super::owner::{Owner, whose};

/// Marks subscriptions whose filter comes from a manifest.
const FILTERED_BY: (&str, &str) = ("filteredBy", "cargo-eg");

/// Marks subscriptions that are ordered because a manifest says so.
const ORDERED_BY: (&str, &str) = ("orderedBy", "cargo-eg");

/// Resources of all kinds, either desired or current.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Resources {
    pub(crate) event_types: Vec<EventType>,
    pub(crate) functions: Vec<Function>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) cors: Vec<Cors>,
}

/// One call of the Config API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change<R> {
    Create(R),
    Update(R),
    Delete(R),
}

/// All changes by kind of resource. The caller decides the order of the kinds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) event_types: Vec<Change<EventType>>,
    pub(crate) functions: Vec<Change<Function>>,
    pub(crate) subscriptions: Vec<Change<Subscription>>,
    pub(crate) cors: Vec<Change<Cors>>,
}

impl Plan {
    /// Returns the number of changes.
    pub(super) fn changes(&self) -> usize {
        self.event_types.len() + self.functions.len() + self.subscriptions.len() + self.cors.len()
    }
}

/// What somebody else has registered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Taken {
    #[error("{function} cannot have {method} {path}: subscription {subscription} gives it to {owner}")]
    Route {
        function: String,
        method: String,
        path: String,
        owner: String,
        /// Its id, and who has made it.
        subscription: String,
    },
    #[error("function `{id}`{whose} is already registered at the gateway")]
    Function {
        id: String,
        /// Who has registered it.
        whose: String,
    },
}

impl Taken {
    /// Returns what the user can do.
    pub(super) fn hint(&self, owner: Owner<'_>) -> &'static str {
        match (self, owner) {
            (Self::Route { .. }, _) => "delete that subscription, or give the function another path",
            (Self::Function { .. }, Owner::Run) => "delete that function, or give yours another name",
            (Self::Function { .. }, Owner::Stack { .. }) => {
                "use another space of the gateway (`gateway = { url = \"…\", space = \"…\" }` in eg.toml) or another `stack`, \
                 or delete that function"
            }
        }
    }
}

/// Returns the resources that the gateway should have for these services.
pub(crate) fn desired<'a>(
    owner: Owner<'_>,
    manifests: impl Iterator<Item = &'a Manifest> + Clone,
) -> Resources {
    let mut wanted = Resources::default();
    // The service that emits an event type takes precedence over its subscribers.
    let mut event_types: BTreeMap<&str, &str> = BTreeMap::new();
    let mut bus_types: Vec<EventType> = Vec::new();
    let mut schemas: BTreeMap<&str, &EventSchema> = BTreeMap::new();
    for Manifest { service, functions, events, .. } in manifests.clone() {
        // The schema of an emitter takes precedence, too.
        for event in events {
            let known = schemas.entry(&event.ty).or_insert(event);
            if known.emitted_by.is_empty() && !event.emitted_by.is_empty() {
                *known = event;
            }
        }
        for ty in functions.iter().flat_map(|function| &function.emits) {
            event_types.entry(ty).or_insert(service);
        }
    }
    for Manifest { service, functions, .. } in manifests {
        for function in functions {
            wanted.functions.push(registration(owner, service, function));
            for trigger in function.events() {
                event_types.entry(&trigger.event_type).or_insert(service);
                wanted.subscriptions.push(subscription(owner, service, &function.id, trigger));
                wanted.cors.extend(cors(owner, service, trigger));
            }
            for subscription in bus::subscriptions(owner, service, function) {
                let mut ty = EventType::new(&subscription.event_type);
                ty.metadata = owner.labels(service);
                if !bus_types.iter().any(|known: &EventType| known.name == ty.name) {
                    bus_types.push(ty);
                }
                wanted.subscriptions.push(subscription);
            }
        }
    }
    let event_type = |(name, service)| {
        let mut event_type = EventType::new(name);
        event_type.metadata = owner.labels(service);
        if let Some(event) = schemas.get(name) {
            event_type.set_schema(&event.schema);
        }
        event_type
    };
    bus_types.retain(|ty| !event_types.contains_key(ty.name.as_str()));
    wanted.event_types = event_types.into_iter().map(event_type).chain(bus_types).collect();
    wanted
}

/// Returns what the owner's last registration at its gateway covers.
#[cfg_attr(not(feature = "aws"), allow(dead_code, reason = "only stacks change their gateway"))]
pub(super) fn registered_here(owner: Owner<'_>, current: &Resources) -> Resources {
    let mut here = current.clone();
    here.event_types.retain(|one| owner.has_here(&one.metadata));
    here.functions.retain(|one| owner.has_here(&one.metadata));
    here.subscriptions.retain(|one| owner.has_here(&one.metadata));
    here.cors.retain(|one| owner.has_here(&one.metadata));
    here
}

/// Returns the changes that lead from `current` to `desired`.
///
/// # Errors
/// If somebody else has one of the functions or routes.
pub(crate) fn plan(owner: Owner<'_>, desired: &Resources, current: &Resources) -> Result<Plan, Taken> {
    let is_ours = |id: &String| desired.functions.iter().any(|function| function.function_id == *id);
    let of_others = |is: &&Function| is_ours(&is.function_id) && !owner.has(&is.metadata);
    if let Some(is) = current.functions.iter().find(of_others) {
        return Err(Taken::Function { id: is.function_id.clone(), whose: whose(&is.metadata) });
    }
    let subscriptions = subscription_changes(owner, &desired.subscriptions, &current.subscriptions)?;
    let leaves = |subscription: &Subscription| {
        subscriptions
            .iter()
            .any(|change| matches!(change, Change::Delete(deleted) if deleted == subscription))
    };
    let stay: Vec<&Subscription> = current.subscriptions.iter().filter(|one| !leaves(one)).collect();
    let used_types: BTreeSet<&str> = stay.iter().map(|one| one.event_type.as_str()).collect();
    let used_functions: BTreeSet<&str> = stay.iter().map(|one| one.function_id.as_str()).collect();

    // An event type that someone else registered serves the same purpose, so it stays unchanged.
    let mut event_types = diff(
        &desired.event_types,
        &current.event_types,
        |one| one.name.clone(),
        |want, is| {
            let mut want = want.clone();
            want.space.clone_from(&is.space);
            want.authorizer_id.clone_from(&is.authorizer_id);
            (owner.has(&is.metadata) && want != *is).then_some(want)
        },
    );
    event_types.retain(|change| !matches!(change, Change::Delete(one) if !owner.has(&one.metadata) || used_types.contains(one.name.as_str())));

    let mut functions = diff(
        &desired.functions,
        &current.functions,
        |one| one.function_id.clone(),
        |want, is| (without_keys(want) != without_keys(is)).then(|| want.clone()),
    );
    functions.retain(|change| !matches!(change, Change::Delete(one) if !owner.has(&one.metadata) || used_functions.contains(one.function_id.as_str())));

    let mut cors = diff(
        &desired.cors,
        &current.cors,
        |one| (one.method.clone(), one.path.clone()),
        |want, is| {
            let mut want = want.clone();
            want.space.clone_from(&is.space);
            want.cors_id.clone_from(&is.cors_id);
            (owner.has(&is.metadata) && want != *is).then_some(want)
        },
    );
    cors.retain(|change| !matches!(change, Change::Delete(one) if !owner.has(&one.metadata)));
    Ok(Plan { event_types, functions, subscriptions, cors })
}

/// Creates resources that are only desired, deletes resources that are only current, and updates those for which
/// `update` returns a new value.
fn diff<R: Clone, K: Ord>(
    desired: &[R],
    current: &[R],
    key: impl Fn(&R) -> K,
    update: impl Fn(&R, &R) -> Option<R>,
) -> Vec<Change<R>> {
    let mut existing: BTreeMap<K, &R> = current.iter().map(|one| (key(one), one)).collect();
    let mut changes = Vec::new();
    for want in desired {
        match existing.remove(&key(want)) {
            None => changes.push(Change::Create(want.clone())),
            Some(is) => changes.extend(update(want, is).map(Change::Update)),
        }
    }
    changes.extend(existing.into_values().cloned().map(Change::Delete));
    changes
}

fn subscription_changes(
    owner: Owner<'_>,
    desired: &[Subscription],
    current: &[Subscription],
) -> Result<Vec<Change<Subscription>>, Taken> {
    // The gateway identifies sync subscriptions by route alone: to replace one function by another, the old
    // subscription must be deleted first.
    let route = |one: &Subscription| {
        (one.kind == SubscriptionType::Sync)
            .then(|| (one.event_type.clone(), one.method.clone(), one.path.clone()))
    };
    let owners: BTreeMap<_, &Subscription> =
        current.iter().filter_map(|one| Some((route(one)?, one))).collect();
    for want in desired {
        let existing = route(want).and_then(|route| owners.get(&route));
        if let Some(is) = existing.filter(|is| is.function_id != want.function_id && !owner.has(&is.metadata))
        {
            return Err(Taken::Route {
                function: want.function_id.clone(),
                method: want.method.clone(),
                path: Spelling::Gateway.respell(&want.path, Spelling::Code),
                owner: is.function_id.clone(),
                subscription: format!("{}{}", is.subscription_id, whose(&is.metadata)),
            });
        }
    }
    let key = |one: &Subscription| {
        let Subscription { kind, event_type, function_id, path, method, .. } = one;
        (*kind, event_type.clone(), function_id.clone(), path.clone(), method.clone())
    };
    let mut changes = diff(desired, current, key, |want, is| {
        let mut update = is.clone();
        update.metadata.clone_from(&want.metadata);
        update.retry.clone_from(&want.retry);
        // Other filters are the user's.
        if want.filter.is_some() || is.metadata.contains_key(FILTERED_BY.0) {
            update.filter.clone_from(&want.filter);
        }
        if want.ordered || is.metadata.contains_key(ORDERED_BY.0) {
            update.ordered = want.ordered;
        }
        (owner.has(&is.metadata) && update != *is).then_some(update)
    });
    changes.retain(|change| !matches!(change, Change::Delete(one) if !owner.has(&one.metadata)));
    Ok(changes)
}

fn registration(owner: Owner<'_>, service: &str, function: &manifest::Function) -> Function {
    let mut wanted = Function::new(owner.id_of(&function.id), owner.provider(function));
    wanted.metadata = owner.labels(service);
    notes(function).write(&mut wanted.metadata);
    wanted.stream = function.streams();
    wanted
}

/// Returns what pages show about a function beside its subscriptions.
fn notes(function: &manifest::Function) -> FunctionNotes {
    let mut notes = FunctionNotes::default();
    notes.source = Some(function.source.clone()).filter(|source| !source.is_empty());
    notes.doc.clone_from(&function.doc);
    notes.emits.clone_from(&function.emits);
    for trigger in &function.triggers {
        match trigger {
            Trigger::Schedule { schedule } => notes.schedules.push(schedule.to_string()),
            Trigger::Queue { queue, .. } => notes.queues.push(queue.to_string()),
            Trigger::Stream { stream, .. } => notes.streams.push(stream.clone()),
            _ => {}
        }
    }
    notes
}

fn subscription(owner: Owner<'_>, service: &str, function_id: &str, trigger: &EventTrigger) -> Subscription {
    let mut subscription = Subscription::asynchronous(&trigger.event_type, owner.id_of(function_id));
    subscription.kind = trigger.mode;
    subscription.path = trigger.path.spelled(Spelling::Gateway);
    subscription.method = trigger.method.to_string();
    subscription.metadata = owner.labels(service);
    subscription.retry = trigger.retry.as_ref().map(retry);
    if trigger.ordered {
        subscription.metadata.insert(ORDERED_BY.0.to_owned(), ORDERED_BY.1.to_owned());
        subscription.ordered = true;
    }
    if let Some(filter) = &trigger.filter {
        subscription.metadata.insert(FILTERED_BY.0.to_owned(), FILTERED_BY.1.to_owned());
        subscription.filter = Some(filter.clone());
    }
    subscription
}

/// Converts the manifest's seconds to the gateway's milliseconds.
fn retry(limits: &RetryOptions) -> Retry {
    let ms = |seconds: Option<u32>| seconds.map(|seconds| u64::from(seconds) * 1000);
    let mut wanted = RetryLimits::new();
    wanted.attempts = limits.attempts;
    wanted.min_backoff_ms = ms(limits.min_backoff);
    wanted.max_backoff_ms = ms(limits.max_backoff);
    wanted.max_age_ms = ms(limits.max_age);
    Retry::Limits(wanted)
}

/// Returns the CORS configuration of a route if it declares one, with the gateway's defaults filled in.
fn cors(owner: Owner<'_>, service: &str, trigger: &EventTrigger) -> Option<Cors> {
    let CorsOptions { origins, methods, headers, credentials, .. } = trigger.cors.as_ref()?;
    let or = |list: &[String], defaults: &[&str]| {
        if list.is_empty() { defaults.iter().copied().map(str::to_owned).collect() } else { list.to_vec() }
    };
    let mut cors = Cors::new(trigger.method.as_str(), trigger.path.spelled(Spelling::Gateway));
    cors.allowed_origins = or(origins, &defaults::DEFAULT_ORIGINS);
    cors.allowed_methods = or(methods, &defaults::methods_for(trigger.method));
    cors.allowed_headers = or(headers, &defaults::DEFAULT_HEADERS);
    cors.allow_credentials = *credentials;
    cors.metadata = owner.labels(service);
    Some(cors)
}

/// Returns the parts of a function that can be compared: gateways may hide keys and fill in the space.
fn without_keys(function: &Function) -> Function {
    let mut function = function.clone();
    function.space.clear();
    if let Provider::AwsLambda { aws, .. } = &mut function.provider {
        *aws = Aws::new(std::mem::take(&mut aws.region));
    }
    function
}

#[cfg(test)]
pub(crate) mod tests;
