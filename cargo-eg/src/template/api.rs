//! Generates the HTTP API in front of the functions that answer requests, and the URLs of those that stream. Their
//! subscriptions to events are left to `rules`.

use std::collections::BTreeSet;

use eg_grammar::cors::{self as defaults, EVERY_ORIGIN};
use eg_sdk::config::SubscriptionType;
use eg_sdk::manifest::{CorsOptions, EventTrigger, Function, Method};

use super::builder::{Builder, resource};
use super::names::{arn, pascal, reference, sub};
use super::paths::Paths;
use super::{API, Application, Tree, authorizers, map};

/// Patterns of origins that HTTP APIs know, besides `*`.
const SCHEMES: [&str; 2] = ["http://*", "https://*"];

/// Adds the API if functions have routes. One CORS configuration applies to all of them.
pub(super) fn api(application: &Application<'_>, paths: &Paths, builder: &mut Builder) {
    let functions = application.functions().map(|(_, function)| function);
    let served = |function| paths.of_function(function).into_iter().map(|(route, _)| route);
    let mut rules = Rules::default();
    let (mut any, mut without) = (false, None);
    for route in functions.flat_map(served) {
        any = true;
        match &route.cors {
            None => without = without.or(Some(route)),
            Some(cors) => rules.add(route, cors),
        }
    }
    if !any {
        return;
    }
    if let (Some(route), true) = (without, rules.wanted) {
        builder.notes.push(format!(
            "an HTTP API has one CORS configuration, so {} {} also allows what other routes allow",
            route.method, route.path
        ));
    }
    builder.problems.extend(rules.problems("an HTTP API has one CORS configuration"));
    let properties = map! { "Name" => reference("AWS::StackName"), "ProtocolType" => "HTTP" };
    let properties = properties.with("CorsConfiguration", rules.tree(&mut builder.notes));
    let properties = properties.with("Tags", tags(application));
    builder.add(API.to_owned(), "the HTTP API", resource("AWS::ApiGatewayV2::Api", properties));
    let stage = map! { "ApiId" => reference(API), "StageName" => "$default", "AutoDeploy" => true };
    builder.add(stage_id(), "the HTTP API", resource("AWS::ApiGatewayV2::Stage", stage));
    authorizers::all(application, builder);
}

/// Returns the logical id of the stage of the API.
pub(super) fn stage_id() -> String {
    format!("{API}Stage")
}

/// Returns the stage's tags as API Gateway spells them.
pub(super) fn tags(application: &Application<'_>) -> Option<Tree> {
    let tags = application.stage.tags.iter().map(|(key, value)| (key.clone(), value.as_str().into()));
    Tree::Map(tags.collect()).filled()
}

/// Adds the routes of a function, which has this logical id, and its URL if it streams answers.
pub(super) fn routes(
    application: &Application<'_>,
    function: &Function,
    id: &str,
    paths: &Paths,
    builder: &mut Builder,
) {
    let what = function.id.as_str();
    let integration = format!("{id}Integration");
    let mut any = false;
    for (route, path) in paths.of_function(function) {
        any = true;
        let (method, own) = (route.method.as_str(), &route.path);
        if route.mode == SubscriptionType::Async {
            builder.notes.push(format!("{what}: an HTTP API waits for the answer, also of {method} {own}"));
        }
        let name = builder.free(format!("{id}{}", pascal(&format!("{} {own}", method.to_lowercase()))));
        let authorizer = authorizers::of_route(application, function, route, builder);
        let properties = map! {
            "ApiId" => reference(API),
            "RouteKey" => format!("{method} {path}"),
            "Target" => sub(&format!("integrations/${{{integration}}}")),
        }
        .with("AuthorizationType", authorizer.as_ref().map(|_| "CUSTOM"))
        .with("AuthorizerId", authorizer);
        builder.add(name, what, resource("AWS::ApiGatewayV2::Route", properties));
    }
    if any {
        let properties = map! {
            "ApiId" => reference(API),
            "IntegrationType" => "AWS_PROXY",
            "IntegrationUri" => arn(id),
            "PayloadFormatVersion" => "2.0",
        };
        builder.add(integration, what, resource("AWS::ApiGatewayV2::Integration", properties));
        let source = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${HttpApi}/*";
        let permission = map! {
            "Action" => "lambda:InvokeFunction",
            "FunctionName" => reference(id),
            "Principal" => "apigateway.amazonaws.com",
            "SourceArn" => sub(source),
        };
        builder.add(format!("{id}ApiPermission"), what, resource("AWS::Lambda::Permission", permission));
    }
    if function.streams() {
        url(function, id, builder);
    }
}

/// Adds the URL of a function, which streams the answers of its routes, unlike the API.
fn url(function: &Function, id: &str, builder: &mut Builder) {
    let mut rules = Rules::default();
    for route in function.events().filter(|route| route.stream) {
        builder.notes.push(format!(
            "{}: an HTTP API sends answers whole; {} {} streams at the function's URL, which is in the outputs",
            function.id, route.method, route.path
        ));
        if let Some(cors) = &route.cors {
            rules.add(route, cors);
        }
    }
    builder.problems.extend(rules.problems("a function URL has one CORS configuration"));
    // A function URL allows every preflight by itself, and does not take its method.
    rules.methods.remove(Method::Options.as_str());
    let settings = map! {
        "TargetFunctionArn" => arn(id), "AuthType" => "NONE", "InvokeMode" => "RESPONSE_STREAM",
    };
    let settings = settings.with("Cors", rules.tree(&mut builder.notes));
    let url = url_id(id);
    builder.add(url.clone(), &function.id, resource("AWS::Lambda::Url", settings));
    // Lambda requires both (<https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html>).
    let by_url = map! {
        "Action" => "lambda:InvokeFunctionUrl",
        "FunctionName" => reference(id),
        "Principal" => "*",
        "FunctionUrlAuthType" => "NONE",
    };
    let invoke = map! {
        "Action" => "lambda:InvokeFunction",
        "FunctionName" => reference(id),
        "Principal" => "*",
        "InvokedViaFunctionUrl" => true,
    };
    for (name, permission) in [("Permission", by_url), ("InvokePermission", invoke)] {
        let permission = resource("AWS::Lambda::Permission", permission);
        builder.add(format!("{url}{name}"), &function.id, permission);
    }
}

/// Returns the logical id of the URL of a function.
pub(super) fn url_id(function: &str) -> String {
    format!("{function}Url")
}

/// The union of what the routes allow.
#[derive(Default)]
struct Rules {
    wanted: bool,
    origins: BTreeSet<String>,
    methods: BTreeSet<String>,
    headers: BTreeSet<String>,
    credentials: bool,
    /// Each route with its origins, and whether it takes credentials.
    routes: Vec<(String, BTreeSet<String>, bool)>,
}

impl Rules {
    fn add(&mut self, route: &EventTrigger, cors: &CorsOptions) {
        self.wanted = true;
        let CorsOptions { origins, methods, headers, credentials, .. } = cors;
        self.credentials |= credentials;
        let or = |set: &mut BTreeSet<String>, list: &[String], defaults: &[&str]| {
            if list.is_empty() {
                set.extend(defaults.iter().map(ToString::to_string));
            } else {
                set.extend(list.iter().cloned());
            }
        };
        let mut own = BTreeSet::new();
        or(&mut own, origins, &defaults::DEFAULT_ORIGINS);
        self.origins.extend(own.iter().cloned());
        self.routes.push((format!("{} {}", route.method, route.path), own, *credentials));
        or(&mut self.methods, methods, &defaults::methods_for(route.method));
        or(&mut self.headers, headers, &defaults::DEFAULT_HEADERS);
    }

    /// Returns the routes with credentials that other routes would open to further origins. `why` says why that is so.
    fn problems(&self, why: &str) -> Vec<String> {
        // Browsers send no credentials if every origin is allowed.
        if self.origins.contains(EVERY_ORIGIN) {
            return Vec::new();
        }
        let mut problems = Vec::new();
        for (name, own, _) in self.routes.iter().filter(|(_, _, credentials)| *credentials) {
            let is_new = |origin: &&String| is_known(origin) && !is_allowed(own, origin);
            let others = self
                .routes
                .iter()
                .filter_map(|(other, origins, _)| Some((other, origins.iter().find(is_new)?)));
            problems.extend(others.map(|(other, origin)| {
                format!(
                    "`{name}` would let {origin} send credentials, because {why}: give `{other}` only origins of `{name}`, \
                     or remove `credentials` from `{name}`"
                )
            }));
        }
        problems
    }

    fn tree(self, notes: &mut Vec<String>) -> Option<Tree> {
        if !self.wanted {
            return None;
        }
        let everyone = self.origins.contains(EVERY_ORIGIN);
        if self.credentials && everyone {
            notes.push("browsers send credentials to named origins only: give `cors` its origins".to_owned());
        }
        let (origins, patterns): (BTreeSet<_>, BTreeSet<_>) =
            self.origins.into_iter().partition(|origin| is_known(origin));
        notes.extend(patterns.iter().map(|origin| {
            format!("API Gateway takes no `*` within an origin, so `{origin}` is left out: list the origins that it stands for")
        }));
        if origins.is_empty() {
            return None;
        }
        let list = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>();
        let credentials = self.credentials && !everyone;
        let rules = map! {
            "AllowOrigins" => list(origins),
            "AllowMethods" => list(self.methods),
            "AllowHeaders" => list(self.headers),
        };
        Some(rules.with("AllowCredentials", credentials.then_some(true)))
    }
}

/// Whether HTTP APIs know an origin, or a pattern of origins.
fn is_known(origin: &str) -> bool {
    origin == EVERY_ORIGIN || !origin.contains('*') || SCHEMES.contains(&origin)
}

/// Whether a route allows an origin, itself or with all of its scheme.
fn is_allowed(own: &BTreeSet<String>, origin: &str) -> bool {
    let of_scheme =
        |pattern: &&str| own.contains(*pattern) && origin.starts_with(pattern.trim_end_matches('*'));
    own.contains(origin) || SCHEMES.iter().any(of_scheme)
}
