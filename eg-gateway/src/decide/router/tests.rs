//! The subscriptions that events reach, in one space and across spaces, and a comparison with trying every route.

use eg_sdk::config::SubscriptionType;
use proptest::prelude::*;

use super::*;
use crate::decide::catalog::{Change, Resource};

const STRICT: Routing = Routing { strict: true, hosts: false, closed: false };
const CLOSED: Routing = Routing { strict: false, hosts: true, closed: true };

fn router(routing: Routing, subscriptions: &[(&str, Subscription)]) -> Router {
    Router::new(&catalog(routing, subscriptions)).unwrap()
}

fn catalog(routing: Routing, subscriptions: &[(&str, Subscription)]) -> Catalog {
    let mut catalog = Catalog { routing, ..Catalog::default() };
    for (n, (space, subscription)) in subscriptions.iter().enumerate() {
        let mut subscription = subscription.clone();
        (*space).clone_into(&mut subscription.space);
        subscription.subscription_id = n.to_string();
        catalog.apply(&Change::Put(Resource::Subscription(Arc::new(subscription))));
    }
    catalog
}

fn functions(matched: &Matched) -> (Option<&str>, Vec<&str>) {
    let sync = matched.sync.as_ref().map(|(subscription, _)| subscription.function_id.as_str());
    (sync, matched.asynchronous.iter().map(|target| target.subscription.function_id.as_str()).collect())
}

fn at(path: &str, function: &str) -> Subscription {
    let mut subscription = Subscription::asynchronous("a", function);
    path.clone_into(&mut subscription.path);
    subscription
}

fn get(path: &str, function: &str) -> Subscription {
    Subscription::http("GET", path, function)
}

#[track_caller]
fn check(
    router: &Router,
    (host, path): (&str, &str),
    (ty, method): (&str, &str),
    expected: (Option<&str>, &[&str]),
) {
    let place = router.place(host, path, Some("d.example"));
    let matched = router.route_to(&place, ty, method);
    assert_eq!(functions(&matched), (expected.0, expected.1.to_vec()), "{ty} {method} {host}{path}");
}

/// Services of AWS emit types that no subscription can name.
#[test]
fn types_with_other_characters_are_routed_by_types_without() {
    let created = Subscription::asynchronous("Object-Created", "resize");
    let subscriptions = [("default", created)];
    let router_of = |routing| router(routing, &subscriptions);
    let router = router_of(Routing::default());
    check(&router, ("", "/"), ("Object Created", "POST"), (None, &["resize"]));
    check(&router, ("", "/"), ("Object-Created", "POST"), (None, &["resize"]));
    check(&router, ("", "/"), ("ObjectCreated", "POST"), (None, &[]));
    check(&router_of(STRICT), ("", "/"), ("Object Created", "POST"), (None, &[]));
}

#[test]
fn routes() {
    let router = router(
        Routing::default(),
        &[
            ("default", get("/users/:id", "get")),
            ("default", get("/users/me", "me")),
            ("default", get("/users/:user/orders", "orders")),
            ("default", get("/f/*rest", "files")),
            ("default", get("/f/index", "index")),
            ("default", get("/", "home")),
            ("default", Subscription::http("HEAD", "/f/index", "head")),
            ("default", Subscription::asynchronous("user.created", "mail")),
            ("default", Subscription::asynchronous("user.created", "crm")),
            ("default", at("/:x", "literal")),
        ],
    );
    for (event_type, method, path, expected) in [
        ("http.request", "GET", "/users/7", (Some("get"), &[][..])),
        ("http.request", "GET", "/users/me", (Some("me"), &[])),
        ("http.request", "GET", "/users/me/orders", (Some("orders"), &[])),
        ("http.request", "GET", "/users/", (None, &[])),
        ("http.request", "HEAD", "/users/7", (Some("get"), &[])),
        ("http.request", "HEAD", "/f/index", (Some("head"), &[])),
        ("http.request", "GET", "/f/index", (Some("index"), &[])),
        ("http.request", "GET", "/f/index/1", (Some("files"), &[])),
        ("http.request", "GET", "/", (Some("home"), &[])),
        ("http.request", "BREW", "/", (None, &[])),
        ("user.created", "POST", "/", (None, &["mail", "crm"])),
        ("user.created", "HEAD", "/", (None, &[])),
        ("user.created", "POST", "/a", (None, &[])),
        ("a", "POST", "/a", (None, &[])),
        ("a", "POST", "/:x", (None, &["literal"])),
    ] {
        check(&router, ("", path), (event_type, method), expected);
    }
}

/// In the original, a parameter has any value, also none, and HEAD is a method like any other.
#[test]
fn the_originals_routes() {
    let router =
        router(STRICT, &[("default", get("/users/:id", "get")), ("default", get("/f/*rest", "files"))]);
    for (method, path, expected) in [
        ("GET", "/users/7", Some("get")),
        ("GET", "/users/", Some("get")),
        ("GET", "/f/", Some("files")),
        ("HEAD", "/users/7", None),
        ("GET", "/users", None),
    ] {
        check(&router, ("", path), ("http.request", method), (expected, &[]));
    }
}

#[test]
fn parameters_of_a_route() {
    let router =
        router(Routing::default(), &[("default", get("/", "a")), ("default", get("/u/:id/*rest", "b"))]);
    let params = |path: &str| {
        let matched = router.route_to(&router.place("", path, None), "http.request", "GET");
        matched.sync.unwrap().1
    };
    assert_eq!(params("/"), None, "the root has no parameters at all");
    let expected =
        [("id", "a%2Fb"), ("rest", "c/d")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(params("/u/a%2Fb/c/d"), Some(Params::from(expected)));
}

/// A request that names a space reaches only that one.
#[test]
fn spaces_are_named_by_path_or_host() {
    let subscriptions = [
        ("default", at("/", "default")),
        ("default", get("/*rest", "page")),
        ("acme", at("/", "plain")),
        ("acme", at("/acme/", "prefixed")),
        ("acme", get("/x", "x")),
        ("acme", get("/acme/y", "y")),
        ("acme", get("/acme/:id", "id")),
        ("other", get("/z", "z")),
    ];
    let (event, request) = (("a", "POST"), ("http.request", "GET"));
    for routing in [Routing::default(), CLOSED] {
        let router = router(routing, &subscriptions);
        check(&router, ("", "/"), event, (None, &["default"]));
        check(&router, ("", "/spaces/acme/"), event, (None, &["plain"]));
        check(&router, ("", "/acme/"), event, (None, &["prefixed"]));
        check(&router, ("acme.d.example", "/"), event, (None, &["prefixed", "plain"]));
        check(&router, ("none.d.example", "/"), event, (None, &[]));
        check(&router, ("", "/x"), request, (Some("page"), &[]));
        check(&router, ("", "/spaces/acme/x"), request, (Some("x"), &[]));
        check(&router, ("", "/spaces/acme/z"), request, (None, &[]));
        check(&router, ("", "/acme/y"), request, (Some("y"), &[]));
        check(&router, ("", "/acme/7"), request, (Some("id"), &[]));
        check(&router, ("", "/acme/7/8"), request, (None, &[]));
        check(&router, ("", "/other/z"), request, (Some("page"), &[]));
        check(&router, ("acme.d.example", "/x"), request, (Some("x"), &[]));
        check(&router, ("acme.d.example", "/y"), request, (Some("y"), &[]));
        check(&router, ("acme.d.example", "/7"), request, (Some("id"), &[]));
        check(&router, ("acme.d.example", "/spaces/default/7"), request, (None, &[]));
    }
}

/// Clients of the original expect that spaces share all paths.
#[test]
fn a_request_that_names_no_space_reaches_the_spaces_that_serve_it() {
    let subscriptions = [
        ("default", at("/", "default")),
        ("one", at("/", "one")),
        ("one", at("/events", "first")),
        ("two", at("/events", "second")),
        ("one", get("/:id", "id")),
        ("two", get("/me", "me")),
        ("two", get("/one/x", "hidden")),
    ];
    let (event, request) = (("a", "POST"), ("http.request", "GET"));
    let open = router(Routing::default(), &subscriptions);
    check(&open, ("", "/"), event, (None, &["default"]));
    check(&open, ("", "/events"), event, (None, &["first", "second"]));
    check(&open, ("", "/7"), request, (Some("id"), &[]));
    check(&open, ("", "/me"), request, (Some("me"), &[]));
    let original = router(STRICT, &subscriptions);
    check(&original, ("", "/"), event, (None, &["default", "one"]));
    check(&original, ("", "/me"), request, (Some("me"), &[]));
    let closed = router(CLOSED, &subscriptions);
    check(&closed, ("", "/"), event, (None, &["default"]));
    check(&closed, ("", "/events"), event, (None, &[]));
    check(&closed, ("", "/me"), request, (None, &[]));
}

#[test]
fn the_subscriptions_of_an_event_by_space() {
    let router = router(
        STRICT,
        &[("one", at("/", "a")), ("two", at("/", "b")), ("one", at("/", "c")), ("default", at("/x", "d"))],
    );
    let spaces = |path: &str| {
        let matched = router.route_to(&router.place("", path, None), "a", "POST");
        let spaces = matched.by_space("default").into_iter();
        spaces.map(|(space, targets)| (space, targets.len())).collect::<Vec<_>>()
    };
    assert_eq!(spaces("/"), [("one".to_owned(), 2), ("two".to_owned(), 1)]);
    assert_eq!(spaces("/x"), [("default".to_owned(), 1)]);
    assert_eq!(spaces("/y"), [("default".to_owned(), 0)]);
}

#[test]
fn an_unrouted_request_hears_what_is_there() {
    let mut bulk = Subscription::http("POST", "/bulk", "b");
    bulk.kind = SubscriptionType::Async;
    let router = router(Routing::default(), &[("default", get("/users/:id", "get")), ("other", bulk)]);
    for (method, path, status, message) in [
        ("GET", "/user/7", 404, "no function answers `GET /user/7`; did you mean `GET /users/{id}`?"),
        ("PUT", "/users/7", 405, "no function answers `PUT /users/7`; this path accepts `GET` and `HEAD`"),
        ("GET", "/bulk", 405, "no function answers `GET /bulk`; this path accepts `POST`"),
        ("GET", "/favicon.ico", 404, "no function answers `GET /favicon.ico`"),
    ] {
        let unrouted = router.unrouted(&router.place("", path, None), method);
        assert_eq!((unrouted.status(), unrouted.to_string().as_str()), (status, message));
    }
}

/// CORS of `/users/:id` let the pages of other origins read `/users/me`, which has none.
#[test]
fn cors_of_a_route_is_for_the_requests_that_take_it() {
    let mut routes =
        [get("/users/:id", "get"), get("/users/me", "me"), get("/f/*rest", "files"), get("/f/:x", "one")]
            .map(|subscription| ("default", subscription))
            .to_vec();
    routes.push(("team", get("/team", "team")));
    routes.push(("default", get("/own", "own")));
    // A path that is no route covers all that it matches.
    let configured = [
        ("default", "/users/:name"),
        ("default", "/f/*rest"),
        ("default", "/docs/*any"),
        ("default", "/docs/private/:x"),
        ("team", "/*all"),
    ];
    let find = |routing: Routing, method: &str, path: &str| {
        let mut catalog = catalog(routing, &routes);
        for (space, path) in configured {
            let mut cors = Cors::new("GET", path);
            space.clone_into(&mut cors.space);
            path.clone_into(&mut cors.cors_id);
            catalog.apply(&Change::Put(Resource::Cors(Arc::new(cors))));
        }
        let router = Router::new(&catalog).unwrap();
        router.cors(&router.place("", path, None), method).map(|cors| cors.path.clone())
    };
    for (path, expected) in [
        ("/users/7", Some("/users/:name")),
        ("/users/me", None),
        ("/f/a/b", Some("/f/*rest")),
        ("/f/a", None),
        ("/docs/index", Some("/docs/*any")),
        ("/docs/private/x", Some("/docs/private/:x")),
        ("/docs/private/x/y", Some("/docs/*any")),
        ("/team", Some("/*all")),
        ("/own", None),
        ("/other", Some("/*all")),
    ] {
        for method in ["GET", "HEAD"] {
            assert_eq!(find(Routing::default(), method, path).as_deref(), expected, "{method} {path}");
        }
        assert_eq!(find(Routing::default(), "POST", path), None, "{path}");
    }
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab]{0,1}", 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn route() -> impl Strategy<Value = (&'static str, String)> {
    let segment = prop_oneof![4 => "[ab]{0,1}", 2 => Just(":x".to_owned()), 1 => Just(":y".to_owned())];
    let path =
        (prop::collection::vec(segment, 1..4), prop::bool::weighted(0.2)).prop_map(|(mut segments, wild)| {
            if wild {
                segments.push("*w".to_owned());
            }
            format!("/{}", segments.join("/"))
        });
    (prop_oneof![Just("GET"), Just("POST"), Just("HEAD")], path)
}

proptest! {
    #[test]
    fn the_router_agrees_with_trying_every_route(
        given in prop::collection::vec(route(), 0..12), paths in prop::collection::vec(path(), 1..20),
    ) {
        let mut routes: Vec<(&str, String)> = Vec::new();
        for (method, path) in given {
            let others = routes.iter().filter(|(other, _)| *other == method).map(|(_, route)| route.as_str());
            if super::super::routes::check(&path, others, false).is_ok() {
                routes.push((method, path));
            }
        }
        let subscription = |(method, path): &(&str, String)| ("default", Subscription::http(*method, path, path));
        let router = router(Routing::default(), &routes.iter().map(subscription).collect::<Vec<_>>());
        let expected = |method: &str, path: &str| {
            let fits = |(other, route): &&(&str, String)| *other == method && Spelling::Gateway.matches(route, path);
            let fitting = routes.iter().filter(fits).map(|(_, route)| route.as_str());
            fitting.min_by(|a, b| Spelling::Gateway.compare(a, b))
        };
        for path in paths {
            let place = router.place("", &path, None);
            for method in ["GET", "POST", "PUT", "HEAD"] {
                let matched = router.route_to(&place, "http.request", method);
                let own = expected(method, &path);
                let expected = if method == "HEAD" { own.or_else(|| expected("GET", &path)) } else { own };
                prop_assert_eq!(functions(&matched).0, expected, "{} {}", method, path);
            }
        }
    }
}
