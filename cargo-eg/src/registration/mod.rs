//! Makes a gateway match the manifests of an application, through its Config API: for `cargo eg run`, and for a stack on AWS.
//! What must change is decided in [`mod@plan`].

mod owner;
pub(crate) mod plan;

use std::collections::BTreeSet;

use eg_grammar::Spelling;
use eg_sdk::config::{Cors, Subscription, SubscriptionType};
use eg_sdk::manifest::Manifest;
use eg_sdk::{Collection, EventGateway, Resource};

use crate::exit::{Exit, Failure, warn};

pub(crate) use self::owner::Owner;
#[cfg(feature = "aws")]
use self::plan::registered_here;
use self::plan::{Change, Plan, Resources, desired, plan};

/// What a registration has changed.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// The number of changes.
    #[cfg_attr(not(feature = "aws"), allow(dead_code, reason = "only stacks report it"))]
    pub(crate) count: usize,
    /// The ids of the functions that lost a subscription to events, so that deliveries may be without a recipient.
    pub(crate) losers: BTreeSet<String>,
}

/// Checks that the services can be registered, and changes nothing.
///
/// # Errors
/// If the gateway does not answer, or if a route belongs to somebody else.
#[cfg(feature = "aws")]
pub(crate) async fn check<'a>(
    gateway: &EventGateway,
    owner: Owner<'_>,
    manifests: impl Iterator<Item = &'a Manifest> + Clone,
) -> Result<(), Failure> {
    planned(gateway, owner, manifests, &|_| ()).await.map(drop)
}

/// Registers the services of an owner, and removes what the owner has registered earlier and the code no longer has.
pub(crate) async fn register<'a>(
    gateway: &EventGateway,
    owner: Owner<'_>,
    manifests: impl Iterator<Item = &'a Manifest> + Clone,
) -> Result<Changed, Failure> {
    let plan = planned(gateway, owner, manifests, &warn).await?;
    carry_out(gateway, plan).await
}

/// Removes what the owner has at a gateway, except what its last registration covers. The address of the gateway may be another
/// spelling of the address of that registration.
#[cfg(feature = "aws")]
pub(crate) async fn leave(gateway: &EventGateway, owner: Owner<'_>) -> Result<Changed, Failure> {
    let current =
        Resources { cors: listed_cors(gateway).await?.unwrap_or_default(), ..listed(gateway).await? };
    let plan = changes(owner, &registered_here(owner, &current), &current)?;
    carry_out(gateway, plan).await
}

async fn carry_out(gateway: &EventGateway, plan: Plan) -> Result<Changed, Failure> {
    let count = plan.changes();
    // A resource that refers to another is deleted before it and created after it. New subscriptions to events are
    // created before old ones are deleted, so that an event in between reaches two functions rather than none. A
    // route has one function at a time, so all routes change in one step.
    let (gone, subscriptions) = split(plan.subscriptions);
    let (old_cors, cors) = split(plan.cors);
    apply(&gateway.cors(), old_cors, |cors| format!("{} {}", cors.method, as_in_code(&cors.path))).await?;
    let (old_types, event_types) = split(plan.event_types);
    apply(&gateway.event_types(), event_types, |ty| ty.name.clone()).await?;
    let (old_functions, functions) = split(plan.functions);
    apply(&gateway.functions(), functions, |function| function.function_id.clone()).await?;
    let (gone, subscriptions) = change_routes(gateway, gone, subscriptions).await?;
    apply(&gateway.subscriptions(), subscriptions, route).await?;
    apply(&gateway.cors(), cors, |cors| format!("{} {}", cors.method, as_in_code(&cors.path))).await?;
    let losers = gone.iter().filter_map(|change| match change {
        Change::Delete(subscription) => Some(subscription.function_id.clone()),
        Change::Create(_) | Change::Update(_) => None,
    });
    let losers = losers.collect();
    apply(&gateway.subscriptions(), gone, route).await?;
    apply(&gateway.functions(), old_functions, |function| function.function_id.clone()).await?;
    apply(&gateway.event_types(), old_types, |ty| ty.name.clone()).await?;
    Ok(Changed { count, losers })
}

/// Returns the changes that are needed. Reports what the gateway cannot do to `warn`.
async fn planned<'a>(
    gateway: &EventGateway,
    owner: Owner<'_>,
    manifests: impl Iterator<Item = &'a Manifest> + Clone,
    warn: &dyn Fn(&str),
) -> Result<Plan, Failure> {
    let mut desired = desired(owner, manifests);
    let cors = listed_cors(gateway).await?;
    if cors.is_none() {
        // The app works without CORS, except from browsers.
        if let Some(Cors { method, path, .. }) = desired.cors.first() {
            warn(&format!(
                "the gateway has no CORS: browsers cannot call {method} {} from other origins",
                as_in_code(path)
            ));
        }
        desired.cors.clear();
    }
    let current = Resources { cors: cors.unwrap_or_default(), ..listed(gateway).await? };
    changes(owner, &desired, &current)
}

/// Lists what the gateway has, except CORS.
async fn listed(gateway: &EventGateway) -> Result<Resources, Failure> {
    Ok(Resources {
        event_types: gateway.event_types().list().await.map_err(refused)?,
        functions: gateway.functions().list().await.map_err(refused)?,
        subscriptions: gateway.subscriptions().list().await.map_err(refused)?,
        cors: Vec::new(),
    })
}

/// Lists the CORS of the gateway's routes. Returns `None` if the gateway does not support CORS.
async fn listed_cors(gateway: &EventGateway) -> Result<Option<Vec<Cors>>, Failure> {
    match gateway.cors().list().await {
        Err(error) if error.status() == Some(404) => Ok(None),
        list => list.map(Some).map_err(refused),
    }
}

fn changes(owner: Owner<'_>, desired: &Resources, current: &Resources) -> Result<Plan, Failure> {
    plan(owner, desired, current).map_err(|taken| {
        let hint = taken.hint(owner);
        Failure::new(Exit::Refused, taken).hint(hint)
    })
}

/// Returns the failure of a call, with what to do about a missing key.
fn refused(error: eg_sdk::Error) -> Failure {
    let is_about_key = matches!(error.status(), Some(401 | 403));
    let failure = Failure::from(error);
    if is_about_key {
        return failure.hint("--access-key, or EVENT_GATEWAY_ACCESS_KEY, names the key of the gateway");
    }
    failure
}

type Subscriptions = Vec<Change<Subscription>>;

/// Moves routes from one function to another. Returns the remaining changes.
async fn change_routes(
    gateway: &EventGateway,
    gone: Subscriptions,
    new: Subscriptions,
) -> Result<(Subscriptions, Subscriptions), Failure> {
    let (mut deleted, mut created, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = |changes: Subscriptions| -> Subscriptions {
        let mut rest = Vec::new();
        for change in changes {
            match change {
                Change::Delete(old) if old.kind == SubscriptionType::Sync => deleted.push(old),
                Change::Create(new) if new.kind == SubscriptionType::Sync => {
                    names.push(route(&new));
                    created.push(new);
                }
                other => rest.push(other),
            }
        }
        rest
    };
    let (gone, new) = (rest(gone), rest(new));
    if !deleted.is_empty() || !created.is_empty() {
        let deleted: Vec<&str> = deleted.iter().map(Resource::id).collect();
        gateway.subscriptions().replace(&deleted, &created).await.map_err(|error| {
            Failure::new(Exit::Refused, format!("subscriptions {}: {error}", names.join(", ")))
        })?;
    }
    Ok((gone, new))
}

fn route(subscription: &Subscription) -> String {
    let Subscription { event_type, function_id, path, method, .. } = subscription;
    format!("{event_type} at {method} {} for {function_id}", as_in_code(path))
}

/// Returns a path of the gateway as the code spells it: `/users/{id}`.
fn as_in_code(path: &str) -> String {
    Spelling::Gateway.respell(path, Spelling::Code)
}

/// Splits the changes into deletions and the rest.
fn split<R>(changes: Vec<Change<R>>) -> (Vec<Change<R>>, Vec<Change<R>>) {
    changes.into_iter().partition(|change| matches!(change, Change::Delete(_)))
}

async fn apply<R: Resource>(
    collection: &Collection<'_, R>,
    changes: Vec<Change<R>>,
    name: impl Fn(&R) -> String,
) -> Result<(), Failure> {
    for change in changes {
        let (resource, result) = match change {
            Change::Create(resource) => {
                let result = collection.create(&resource).await.map(drop);
                (resource, result)
            }
            Change::Update(resource) => {
                let result = collection.update(&resource).await.map(drop);
                (resource, result)
            }
            Change::Delete(resource) => {
                let result = collection.delete(resource.id()).await;
                (resource, result)
            }
        };
        result.map_err(|error| {
            Failure::new(Exit::Refused, format!("{} {}: {error}", R::KIND, name(&resource)))
        })?;
    }
    Ok(())
}
