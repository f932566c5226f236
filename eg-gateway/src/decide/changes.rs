//! Checks changes of the configuration against the other resources, in the order of the original. `rules` checks a
//! resource by itself.

use std::sync::Arc;

use eg_grammar::cors::check_origins;
use eg_grammar::is_system_event_type;
use eg_sdk::config::{Cors, EventType, Function, Subscription, SubscriptionType};

use super::catalog::{Catalog, Change, Entry, Resource, Table};
use super::refusal::{Kind, Refusal};
use super::router::DEFAULT_SPACE;
use super::routes::{self, Conflict, within};
use super::secrets;

impl Catalog {
    pub(crate) fn create_event_type(&self, event_type: EventType) -> Result<Change, Refusal> {
        self.event_types.vacant(&event_type.space, &event_type)?;
        self.check_authorizer(&event_type)?;
        Ok(put(event_type, Resource::EventType))
    }

    pub(crate) fn update_event_type(&self, event_type: EventType) -> Result<Change, Refusal> {
        self.event_types.find(&event_type.space, &event_type.name)?;
        self.check_authorizer(&event_type)?;
        Ok(put(event_type, Resource::EventType))
    }

    fn check_authorizer(&self, event_type: &EventType) -> Result<(), Refusal> {
        let Some(authorizer) = &event_type.authorizer_id else { return Ok(()) };
        self.functions.get(&event_type.space, authorizer).ok_or(Refusal::AuthorizerMissing)?;
        if is_system_event_type(&event_type.name) {
            return Err(Refusal::AuthorizerOfSystem(event_type.name.clone()));
        }
        Ok(())
    }

    pub(crate) fn delete_event_type(&self, space: &str, name: &str) -> Result<Change, Refusal> {
        if self.subscriptions.of_space(space).any(|subscription| subscription.event_type == name) {
            return Err(Refusal::EventTypeInUse);
        }
        self.event_types.deletion(space, name)
    }

    pub(crate) fn create_function(&self, mut function: Function) -> Result<Change, Refusal> {
        self.functions.vacant(&function.space, &function)?;
        secrets::unmask(&mut function, None)?;
        Ok(put(function, Resource::Function))
    }

    pub(crate) fn update_function(&self, mut function: Function) -> Result<Change, Refusal> {
        let stored = self.functions.find(&function.space, &function.function_id)?;
        secrets::unmask(&mut function, Some(stored))?;
        Ok(put(function, Resource::Function))
    }

    pub(crate) fn delete_function(&self, space: &str, id: &str) -> Result<Change, Refusal> {
        if self.subscriptions.of_space(space).any(|subscription| subscription.function_id == id) {
            return Err(Refusal::FunctionInUse);
        }
        let asks = |event_type: &&Arc<EventType>| event_type.authorizer_id.as_deref() == Some(id);
        if let Some(event_type) = self.event_types.of_space(space).find(asks) {
            let event_type = event_type.name.clone();
            return Err(Refusal::FunctionAuthorizes { id: id.to_owned(), event_type });
        }
        self.functions.deletion(space, id)
    }

    pub(crate) fn create_subscription(&self, subscription: Subscription) -> Result<Change, Refusal> {
        self.subscriptions.vacant(&subscription.space, &subscription)?;
        if subscription.kind == SubscriptionType::Sync {
            self.check_route(&subscription)?;
        }
        self.check_space(&subscription)?;
        self.event_types.refer(&subscription.space, &subscription.event_type)?;
        self.functions.refer(&subscription.space, &subscription.function_id)?;
        Ok(put(subscription, Resource::Subscription))
    }

    fn check_route(&self, new: &Subscription) -> Result<(), Refusal> {
        // For requests to the host of the space, the name of the space in the path makes no difference.
        let path = |of: &'_ Subscription| {
            let inner = if self.routing.hosts { within(&of.space, &of.path) } else { None };
            inner.unwrap_or(&of.path).to_owned()
        };
        let same = |other: &&Arc<Subscription>| {
            other.kind == SubscriptionType::Sync
                && (&other.method, &other.event_type) == (&new.method, &new.event_type)
        };
        let others: Vec<String> =
            self.subscriptions.of_space(&new.space).filter(same).map(|other| path(other)).collect();
        let others = others.iter().map(String::as_str);
        Ok(routes::check(&path(new), others, self.routing.strict)?)
    }

    /// Checks that paths under the name of a space belong either to that space or to the default space, so that no
    /// subscription hides another.
    fn check_space(&self, new: &Subscription) -> Result<(), Conflict> {
        if self.routing.strict {
            return Ok(());
        }
        let Some((prefix, _)) = new.path.strip_prefix('/').and_then(|path| path.split_once('/')) else {
            return Ok(());
        };
        let owner = match new.space.as_str() {
            _ if prefix == DEFAULT_SPACE => return Ok(()),
            DEFAULT_SPACE => prefix,
            space if space == prefix => DEFAULT_SPACE,
            _ => return Ok(()),
        };
        if self.subscriptions.of_space(owner).any(|other| within(prefix, &other.path).is_some()) {
            return Err(Conflict::Owned { prefix: prefix.to_owned(), owner: owner.to_owned() });
        }
        Ok(())
    }

    pub(crate) fn update_subscription(&self, id: &str, mut new: Subscription) -> Result<Change, Refusal> {
        let stored = self.subscriptions.find(&new.space, id)?;
        for (field, same) in [
            ("Type", new.kind == stored.kind),
            ("EventType", new.event_type == stored.event_type),
            ("FunctionID", new.function_id == stored.function_id),
            ("Path", new.path == stored.path),
            ("Method", new.method == stored.method),
        ] {
            if !same {
                return Err(Refusal::Immutable { kind: Kind::Subscription, field });
            }
        }
        self.functions.refer(&new.space, &new.function_id)?;
        id.clone_into(&mut new.subscription_id);
        Ok(put(new, Resource::Subscription))
    }

    /// Deletes and creates subscriptions as one change.
    pub(crate) fn replace_subscriptions(
        &self,
        space: &str,
        deleted: &[String],
        created: Vec<Subscription>,
    ) -> Result<Vec<Change>, Refusal> {
        let (mut catalog, mut changes) = (self.clone(), Vec::new());
        for id in deleted {
            let deletion = catalog.delete_subscription(space, id)?;
            catalog.apply(&deletion);
            changes.push(deletion);
        }
        for subscription in created {
            let creation = catalog.create_subscription(subscription)?;
            catalog.apply(&creation);
            changes.push(creation);
        }
        // A subscription that was deleted and created again has only changed: its pending deliveries stay.
        changes.retain(|change| match change {
            Change::Delete { id, .. } => catalog.subscriptions.get(space, id).is_none(),
            Change::Put(_) => true,
        });
        Ok(changes)
    }

    pub(crate) fn delete_subscription(&self, space: &str, id: &str) -> Result<Change, Refusal> {
        self.subscriptions.deletion(space, id)
    }

    /// Unlike the original, refuses a path that conflicts with another one.
    pub(crate) fn create_cors(&self, cors: Cors) -> Result<Change, Refusal> {
        self.cors.vacant(&cors.space, &cors)?;
        let others = self.cors.of_space(&cors.space).filter(|other| other.method == cors.method);
        let others = others.map(|other| other.path.as_str());
        routes::check(&cors.path, others, self.routing.strict).map_err(Refusal::CorsConflict)?;
        self.check_origins(&cors)?;
        Ok(put(cors, Resource::Cors))
    }

    pub(crate) fn update_cors(&self, id: &str, mut new: Cors) -> Result<Change, Refusal> {
        let stored = self.cors.find(&new.space, id)?;
        for (field, same) in [("Method", new.method == stored.method), ("Path", new.path == stored.path)] {
            if !same {
                return Err(Refusal::Immutable { kind: Kind::Cors, field });
            }
        }
        id.clone_into(&mut new.cors_id);
        self.check_origins(&new)?;
        Ok(put(new, Resource::Cors))
    }

    /// The original took any text for an origin.
    fn check_origins(&self, cors: &Cors) -> Result<(), Refusal> {
        if self.routing.strict {
            return Ok(());
        }
        let origins = cors.allowed_origins.iter().map(String::as_str);
        check_origins(origins, cors.allow_credentials).map_err(|mistake| Refusal::Invalid {
            kind: Kind::Cors,
            detail: format!("allowedOrigins: {mistake}"),
        })
    }

    pub(crate) fn delete_cors(&self, space: &str, id: &str) -> Result<Change, Refusal> {
        self.cors.deletion(space, id)
    }
}

fn put<T>(entry: T, resource: fn(Arc<T>) -> Resource) -> Change {
    Change::Put(resource(Arc::new(entry)))
}

impl<T: Entry> Table<T> {
    fn vacant(&self, space: &str, new: &T) -> Result<(), Refusal> {
        match self.get(space, new.id()) {
            Some(_) => Err(Refusal::Exists { kind: <T as Entry>::KIND, id: new.id().to_owned() }),
            None => Ok(()),
        }
    }

    /// Checks that a resource exists that another one refers to.
    fn refer(&self, space: &str, id: &str) -> Result<(), Refusal> {
        let dangling = || Refusal::Dangling { kind: <T as Entry>::KIND, id: id.to_owned() };
        self.get(space, id).map(|_| ()).ok_or_else(dangling)
    }

    fn deletion(&self, space: &str, id: &str) -> Result<Change, Refusal> {
        self.find(space, id)?;
        let kind = <T as Entry>::KIND;
        Ok(Change::Delete { kind, space: space.to_owned(), id: id.to_owned() })
    }
}
