//! Who sent an HTTP request or a message of a WebSocket connection, as the sender of the payload vouches for it: `Caller`.
//! Reads the fields that each sender documents, and nothing that a client could write itself. `context` has the facts that
//! Lambda tells about an invocation.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::FromRequestParts;
use eg_sdk::{CloudEvent, Data};
use http::request::Parts;
use http::{Extensions, HeaderMap};
use serde_json::{Map, Value};

use crate::context::Scope;
use crate::decision::Decision;
use crate::sender::{Sender, Sent};

/// Who called, as an argument of a function: what the sender in front of the function has verified.
///
/// ```
/// use eg_runtime::{Caller, Error, StatusCode, http};
///
/// #[http(GET, "/orders")]
/// async fn orders(caller: Caller) -> Result<String, Error> {
///     let user = caller.claim("sub").ok_or_else(|| Error::status(StatusCode::UNAUTHORIZED, "who are you?"))?;
///     Ok(format!("the orders of {user}"))
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// // In a test, the caller is an argument like any other.
/// assert_eq!(orders(Caller::new().with_claim("sub", "u7")).await.unwrap(), "the orders of u7");
/// assert!(orders(Caller::new()).await.is_err());
/// # });
/// ```
///
/// | sender | claims | authorizer | IAM | source address |
/// |---|---|---|---|---|
/// | HTTP API, also with payload format 1.0 | of the JWT, with its scopes | of a Lambda authorizer | yes | yes |
/// | REST API | of the Cognito user pool | of a Lambda authorizer, with its principal | yes | yes |
/// | WebSocket API | | of a Lambda authorizer (of `$connect`), with its principal | yes | yes |
/// | function URL | | | yes | yes |
/// | Application Load Balancer | | | | yes |
/// | VPC Lattice | | | with auth type `AWS_IAM` | yes |
/// | event gateway | | of the authorizer of `http.request`, with its principal | | |
///
/// On a route with an [`#[authorizer]`](macro@crate::authorizer), authorizer and principal are those of its decision,
/// whoever sent the request. Everything else is empty, also for requests to the routes of the HTTP server. Where nothing is
/// verified, as behind an API without an authorizer, there is no identity. In a test of a whole app, add a `Caller` to the
/// extensions of the request.
///
/// Two cases depend on how you operate the function. `POST /functions/<name>` of the HTTP server takes the gateway's word for
/// the authorizer, so let only the gateway reach this port. The source address behind a load balancer is verified only if the
/// load balancer appends to `X-Forwarded-For`, which is its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    source_ip: Option<IpAddr>,
    principal_id: Option<String>,
    claims: Map<String, Value>,
    scopes: Vec<String>,
    authorizer: Map<String, Value>,
    iam: Option<Iam>,
    request_id: Option<String>,
    stage: Option<String>,
    stage_variables: BTreeMap<String, String>,
}

/// The entry in the context of a decision with the name of the authorizer that made it.
pub(crate) const DECIDED_BY: &str = "egAuthorizer";

/// The identity of AWS that signed a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Iam {
    /// The ARN of the user or the assumed role. Of VPC Lattice, its `principal`.
    pub user_arn: Option<String>,
    /// The unique id of the user or role.
    pub user_id: Option<String>,
    /// The account.
    pub account_id: Option<String>,
    /// The access key of the signature.
    pub access_key: Option<String>,
    /// The organization.
    pub principal_org_id: Option<String>,
    /// The identity of a Cognito identity pool.
    pub cognito_identity_id: Option<String>,
    /// The Cognito identity pool.
    pub cognito_identity_pool_id: Option<String>,
}

impl Caller {
    /// Creates a caller without any facts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the address of the client, as the sender saw it.
    #[must_use]
    pub fn source_ip(&self) -> Option<IpAddr> {
        self.source_ip
    }

    /// Returns the principal that a Lambda authorizer, or an authorizer of the event gateway, has named.
    #[must_use]
    pub fn principal_id(&self) -> Option<&str> {
        self.principal_id.as_deref()
    }

    /// Returns the claims of the verified token. HTTP and REST APIs write every claim as text, lists as `[a b]`.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Returns a claim that is a text, for example `sub`.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// Returns the scopes of the token that the route requires; empty if it requires none.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Returns the context that a Lambda authorizer, or an authorizer of the event gateway, has added.
    #[must_use]
    pub fn authorizer(&self) -> &Map<String, Value> {
        &self.authorizer
    }

    /// Returns the identity that signed the request, if the route requires a signature.
    #[must_use]
    pub fn iam(&self) -> Option<&Iam> {
        self.iam.as_ref()
    }

    /// Returns API Gateway's id of the request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Returns the stage of the API.
    #[must_use]
    pub fn stage(&self) -> Option<&str> {
        self.stage.as_deref()
    }

    /// Returns the variables of the stage.
    #[must_use]
    pub fn stage_variables(&self) -> &BTreeMap<String, String> {
        &self.stage_variables
    }

    /// Sets the address of the client, for tests.
    #[must_use]
    pub fn with_source_ip(self, address: IpAddr) -> Self {
        Self { source_ip: Some(address), ..self }
    }

    /// Sets the principal, for tests.
    #[must_use]
    pub fn with_principal_id(self, id: impl Into<String>) -> Self {
        Self { principal_id: Some(id.into()), ..self }
    }

    /// Adds a claim, for tests.
    #[must_use]
    pub fn with_claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Adds a scope, for tests.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Adds a value of an authorizer's context, for tests.
    #[must_use]
    pub fn with_authorizer(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.authorizer.insert(name.into(), value.into());
        self
    }

    /// Sets the ARN of the identity that signed the request, for tests.
    #[must_use]
    pub fn with_user_arn(mut self, arn: impl Into<String>) -> Self {
        self.iam.get_or_insert_default().user_arn = Some(arn.into());
        self
    }

    /// Sets the stage, for tests.
    #[must_use]
    pub fn with_stage(self, stage: impl Into<String>) -> Self {
        Self { stage: Some(stage.into()), ..self }
    }

    /// Adds a variable of the stage, for tests.
    #[must_use]
    pub fn with_stage_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.stage_variables.insert(name.into(), value.into());
        self
    }

    /// Returns who sent the request with these extensions and headers.
    pub(crate) fn find(extensions: &Extensions, headers: &HeaderMap) -> Self {
        if let Some(caller) = extensions.get::<Self>() {
            return caller.clone();
        }
        let scope = extensions.get::<Scope>();
        let sent = scope.and_then(|scope| scope.context.invocation.sent.get());
        sent.map(|sent| Self::of(sent, headers)).unwrap_or_default()
    }

    /// Returns the caller with what an authorizer says about it.
    pub(crate) fn authorized(self, decision: &Decision) -> Self {
        let principal_id = decision.principal_id().map(str::to_owned);
        Self { principal_id, authorizer: decision.context().clone(), ..self }
    }

    /// Returns whether this authorizer has let a request pass when API Gateway asked it. Function URLs and load balancers ask
    /// none.
    pub(crate) fn was_authorized(sent: &Sent, authorizer: &str) -> bool {
        let context: Option<Value> = sent.context.as_deref().and_then(|json| serde_json::from_str(json).ok());
        let decided = context.as_ref().map(|context| match sent.by {
            Sender::Format2 => &context["authorizer"]["lambda"][DECIDED_BY],
            Sender::Format1 => &context["authorizer"][DECIDED_BY],
            _ => &Value::Null,
        });
        decided.is_some_and(|decided| decided == authorizer)
    }

    /// Reads what a sender documents. What is malformed counts as absent.
    fn of(sent: &Sent, headers: &HeaderMap) -> Self {
        let read = |json: &Option<String>| json.as_deref().and_then(|json| serde_json::from_str(json).ok());
        let context: Value = read(&sent.context).unwrap_or_default();
        let mut caller =
            Self { request_id: text(&context["requestId"]), stage: text(&context["stage"]), ..Self::new() };
        let variables: Map<String, Value> = read(&sent.stage_variables).and_then(object).unwrap_or_default();
        caller.stage_variables =
            variables.iter().filter_map(|(name, v)| Some((name.clone(), text(v)?))).collect();
        match sent.by {
            Sender::Format2 => caller.read_format_2(&context),
            Sender::Format1 => caller.read_format_1(&context),
            Sender::LoadBalancer | Sender::Lattice1 => caller.source_ip = forwarded(headers),
            Sender::Lattice2 => {
                caller.source_ip = forwarded(headers);
                let identity = &context["identity"];
                if identity["type"] == "AWS_IAM" {
                    let (user_arn, principal_org_id) =
                        (text(&identity["principal"]), text(&identity["principalOrgID"]));
                    caller.iam = Some(Iam { user_arn, principal_org_id, ..Iam::default() });
                }
            }
            Sender::Other => {}
        }
        caller
    }

    /// HTTP APIs and function URLs.
    fn read_format_2(&mut self, context: &Value) {
        self.source_ip = address(&context["http"]["sourceIp"]);
        let authorizer = &context["authorizer"];
        self.claims = object(authorizer["jwt"]["claims"].clone()).unwrap_or_default();
        self.scopes = texts(&authorizer["jwt"]["scopes"]);
        self.authorizer = object(authorizer["lambda"].clone()).unwrap_or_default();
        self.authorizer.remove(DECIDED_BY);
        self.principal_id = self.authorizer.get("principalId").and_then(text);
        let (iam, cognito) = (&authorizer["iam"], &authorizer["iam"]["cognitoIdentity"]);
        self.iam = iam.is_object().then(|| Iam {
            user_arn: text(&iam["userArn"]),
            user_id: text(&iam["userId"]),
            account_id: text(&iam["accountId"]),
            access_key: text(&iam["accessKey"]),
            principal_org_id: text(&iam["principalOrgId"]),
            cognito_identity_id: text(&cognito["identityId"]),
            cognito_identity_pool_id: text(&cognito["identityPoolId"]),
        });
    }

    /// REST and WebSocket APIs, and HTTP APIs in the older format.
    fn read_format_1(&mut self, context: &Value) {
        let identity = &context["identity"];
        self.source_ip = address(&identity["sourceIp"]);
        let mut authorizer = object(context["authorizer"].clone()).unwrap_or_default();
        // A Lambda authorizer may have texts of these names in its context.
        if authorizer.get("claims").is_some_and(Value::is_object) {
            self.claims = authorizer.remove("claims").and_then(object).unwrap_or_default();
            if authorizer.get("scopes").is_some_and(Value::is_null) {
                authorizer.remove("scopes");
            }
        }
        if authorizer.get("scopes").is_some_and(Value::is_array) {
            self.scopes = authorizer.remove("scopes").map(|scopes| texts(&scopes)).unwrap_or_default();
        }
        self.principal_id = authorizer.remove("principalId").as_ref().and_then(text);
        authorizer.remove("integrationLatency");
        authorizer.remove(DECIDED_BY);
        self.authorizer = authorizer;
        // Unsigned requests have the member, too, with `null`.
        let user_arn = text(&identity["userArn"]);
        self.iam = user_arn.is_some().then(|| Iam {
            user_arn,
            user_id: text(&identity["user"]),
            account_id: text(&identity["accountId"]),
            access_key: text(&identity["accessKey"]),
            principal_org_id: text(&identity["principalOrgId"]),
            cognito_identity_id: text(&identity["cognitoIdentityId"]),
            cognito_identity_pool_id: text(&identity["cognitoIdentityPoolId"]),
        });
    }

    /// Reads what the authorizer of the event gateway has added to an `http.request` event, which only the gateway makes.
    /// In other events, a client may have written the same.
    pub(crate) fn of_gateway(event: &CloudEvent<Data>) -> Option<Self> {
        let authorization = event.extension("eventgateway")?.get("authorization")?;
        let authorizer = object(authorization["context"].clone()).unwrap_or_default();
        Some(Self { principal_id: text(&authorization["principalId"]), authorizer, ..Self::new() })
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(text).collect()
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

fn address(value: &Value) -> Option<IpAddr> {
    value.as_str()?.parse().ok()
}

/// Returns the last address in `X-Forwarded-For`, with or without a port: load balancers and VPC Lattice add that of their
/// client at the end. What is before it comes from the client.
fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    let last = last.rsplit(',').next()?.trim();
    last.parse().ok().or_else(|| last.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::find(&parts.extensions, &parts.headers))
    }
}
