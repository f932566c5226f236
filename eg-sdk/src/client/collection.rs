//! The client of the Config API's resources: one set of operations for every kind.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use http::Method;
use serde::Serialize;
use serde_json::value::RawValue;

use super::http::{Call, Reply};
use super::url::Url;
use super::{Error, EventGateway};
use crate::config::{Metadata, Resource, Subscription};

/// The resources of one kind in the client's space.
///
/// ```no_run
/// use eg_sdk::EventGateway;
/// use eg_sdk::config::{Cors, EventType, Function, Metadata, Provider, Subscription};
///
/// # async fn example() -> Result<(), eg_sdk::Error> {
/// let gateway = EventGateway::from_env()?;
/// gateway.event_types().create(&EventType::new("user.created")).await?;
/// let mail = Function::new("mail", Provider::Http { url: "http://localhost:3000/functions/mail".into() });
/// gateway.functions().create(&mail).await?;
/// let subscription = Subscription::asynchronous("user.created", "mail");
/// let created = gateway.subscriptions().create(&subscription).await?;
/// gateway.cors().create(&Cors::new("POST", "/")).await?;
///
/// let of_team = Metadata::from([("team".to_owned(), "growth".to_owned())]);
/// for function in gateway.functions().list_where(&of_team).await? {
///     println!("{}", function.function_id);
/// }
/// gateway.subscriptions().delete(&created.subscription_id).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Collection<'a, R> {
    gateway: &'a EventGateway,
    kind: PhantomData<fn() -> R>,
}

impl<'a, R: Resource> Collection<'a, R> {
    pub(super) fn new(gateway: &'a EventGateway) -> Self {
        Self { gateway, kind: PhantomData }
    }

    /// Creates `resource`. Returns it with the fields that the gateway sets.
    ///
    /// # Errors
    /// [`Error::Refused`] with 409 if it exists, with 400 if it breaks a rule.
    pub async fn create(&self, resource: &R) -> Result<R, Error> {
        self.resource(Method::POST, None, "create", resource.id(), Some(resource)).await
    }

    /// Replaces the resource with the id of `resource`. Subscriptions and CORS configurations may leave the id empty.
    ///
    /// # Errors
    /// [`Error::Refused`] with 404 if it does not exist, with 400 if the change breaks a rule.
    pub async fn update(&self, resource: &R) -> Result<R, Error> {
        self.resource(Method::PUT, Some(&resource.key()), "update", &resource.key(), Some(resource)).await
    }

    /// Reads one resource.
    ///
    /// # Errors
    /// [`Error::Refused`] with 404 if it does not exist.
    pub async fn get(&self, id: &str) -> Result<R, Error> {
        self.resource(Method::GET, Some(id), "read", id, None).await
    }

    /// Lists all resources of the space.
    ///
    /// # Errors
    /// If the gateway cannot be reached or fails.
    pub async fn list(&self) -> Result<Vec<R>, Error> {
        self.list_where(&Metadata::new()).await
    }

    /// Lists the resources whose metadata contains all entries of `filter`.
    ///
    /// # Errors
    /// If the gateway cannot be reached or fails.
    pub async fn list_where(&self, filter: &Metadata) -> Result<Vec<R>, Error> {
        let mut call = self.call(Method::GET, None, format!("list the {}s", R::KIND));
        if !filter.is_empty() {
            let pairs = filter.iter().map(|(key, value)| (format!("metadata.{key}"), value.as_str()));
            call.url = call.url.with_query(pairs);
        }
        self.list_of(call).await
    }

    /// Reads the resources from an answer.
    async fn list_of(&self, call: Call<'_>) -> Result<Vec<R>, Error> {
        let (action, url) = (call.action.clone(), call.url.to_string());
        let reply = self.send(call).await?;
        let answer = |reason: String| Error::Answer { action: action.clone(), url: url.clone(), reason };
        // The answer may have other members beside the list.
        let lists: BTreeMap<String, &RawValue> =
            serde_json::from_slice(&reply.body).map_err(|e| answer(e.to_string()))?;
        let Some(list) = lists.get(R::LIST) else {
            return Err(answer(format!("it has no `{}`", R::LIST)));
        };
        serde_json::from_str(list.get()).map_err(|e| answer(e.to_string()))
    }

    /// Deletes one resource.
    ///
    /// # Errors
    /// [`Error::Refused`] with 404 if it does not exist, with 400 if it is in use.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        let call = self.call(Method::DELETE, Some(id), format!("delete {} `{id}`", R::KIND));
        self.send(call).await.map(drop)
    }

    async fn resource(
        &self,
        method: Method,
        id: Option<&str>,
        verb: &str,
        name: &str,
        body: Option<&R>,
    ) -> Result<R, Error> {
        let name = if name.is_empty() { String::new() } else { format!(" `{name}`") };
        let mut call = self.call(method, id, format!("{verb} {}{name}", R::KIND));
        let (action, url) = (call.action.clone(), call.url.to_string());
        let unexpected = |e: serde_json::Error| Error::Answer { action, url, reason: e.to_string() };
        call.body =
            body.map(|body| serde_json::to_vec(body).expect("config types have string keys only").into());
        let reply = self.send(call).await?;
        serde_json::from_slice(&reply.body).map_err(unexpected)
    }

    async fn send(&self, call: Call<'_>) -> Result<Reply, Error> {
        self.gateway.configure(call).await
    }

    fn call(&self, method: Method, id: Option<&str>, action: String) -> Call<'a> {
        let id = id.map(|id| if R::ENCODED { id.to_owned() } else { Url::segment(id) });
        let id = id.map(|id| format!("/{id}")).unwrap_or_default();
        self.gateway.call_in_space(method, &format!("{}{id}", R::COLLECTION), action)
    }
}

/// The subscriptions to delete and to create.
#[derive(Serialize)]
struct Replacement<'a> {
    delete: &'a [&'a str],
    create: &'a [Subscription],
}

impl Collection<'_, Subscription> {
    /// Deletes the subscriptions with these ids and creates others in one step, so that a function can take over a
    /// route without a gap. Returns the created subscriptions. The original gateway does not support this.
    ///
    /// # Errors
    /// [`Error::Refused`] with 404 if a subscription to delete does not exist, with 409 or 400 if one to create
    /// exists or conflicts with the remaining ones. Then nothing has changed.
    pub async fn replace(
        &self,
        delete: &[&str],
        create: &[Subscription],
    ) -> Result<Vec<Subscription>, Error> {
        let mut call = self.call(Method::POST, Some("replace"), "replace subscriptions".to_owned());
        let body = serde_json::to_vec(&Replacement { delete, create });
        call.body = Some(body.expect("config types have string keys only").into());
        self.list_of(call).await
    }
}
