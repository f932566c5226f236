//! Makes a gateway match the manifests, through its Config API. What must change is decided in [`plan`].

use eg_sdk::config::{Cors, Subscription, SubscriptionType};
use eg_sdk::manifest::Manifest;
use eg_sdk::{Collection, EventGateway, Resource};

use crate::exit::{Exit, Failure, warn};

use super::plan::{Change, Resources, desired, plan};

/// Registers the services, and removes what an earlier run registered and the code no longer has.
pub(crate) async fn register<'a>(
    gateway: &EventGateway,
    manifests: impl Iterator<Item = &'a Manifest> + Clone,
) -> Result<(), Failure> {
    let mut desired = desired(manifests);
    let cors = match gateway.cors().list().await {
        // A gateway that knows no CORS. The app works without it, except from browsers.
        Err(error) if error.status() == Some(404) => {
            if let Some(route) = desired.cors.first() {
                let Cors { method, path, .. } = route;
                warn(&format!(
                    "the gateway has no CORS: browsers cannot call {method} {path} from other origins"
                ));
            }
            desired.cors.clear();
            Vec::new()
        }
        list => list?,
    };
    let current = Resources {
        event_types: gateway.event_types().list().await?,
        functions: gateway.functions().list().await?,
        subscriptions: gateway.subscriptions().list().await?,
        cors,
    };
    let plan = plan(&desired, &current).map_err(|taken| {
        Failure::new(Exit::Refused, taken).hint("delete that subscription, or give the function another path")
    })?;

    // What refers to something goes before it, and comes after it. Of events, rather two functions get one than none: what
    // goes, goes last. A route has one function at a time, so routes change at once: no request comes between.
    let (gone, subscriptions) = split(plan.subscriptions);
    let (old_cors, cors) = split(plan.cors);
    apply(&gateway.cors(), old_cors, |cors| format!("{} {}", cors.method, cors.path)).await?;
    let (old_types, event_types) = split(plan.event_types);
    apply(&gateway.event_types(), event_types, |ty| ty.name.clone()).await?;
    let (old_functions, functions) = split(plan.functions);
    apply(&gateway.functions(), functions, |function| function.function_id.clone()).await?;
    let (gone, subscriptions) = change_routes(gateway, gone, subscriptions).await?;
    apply(&gateway.subscriptions(), subscriptions, route).await?;
    apply(&gateway.cors(), cors, |cors| format!("{} {}", cors.method, cors.path)).await?;
    apply(&gateway.subscriptions(), gone, route).await?;
    apply(&gateway.functions(), old_functions, |function| function.function_id.clone()).await?;
    apply(&gateway.event_types(), old_types, |ty| ty.name.clone()).await
}

type Subscriptions = Vec<Change<Subscription>>;

/// Lets functions take over routes from others. Returns the changes that are left.
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
    format!("{event_type} at {method} {path} for {function_id}")
}

/// Deletions, and the rest.
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
