//! Compares the routes with a matcher that tries each of them, and the hints with a table.

use proptest::prelude::*;

use super::*;

fn routes(paths: &[&str]) -> Routes<String> {
    let mut routes = Routes::new(Spelling::Code);
    for path in paths {
        routes.insert(Method::Get, *path, (*path).to_owned()).unwrap();
    }
    routes
}

#[test]
fn the_more_specific_route_wins() {
    for (paths, path, expected) in [
        (&["/a/me", "/a/{id}"][..], "/a/me", Some(("/a/me", &[][..]))),
        (&["/a/me", "/a/{id}"], "/a/you", Some(("/a/{id}", &[("id", "you")]))),
        (&["/users/{id}", "/users/{user}/orders"], "/users/7", Some(("/users/{id}", &[("id", "7")]))),
        (
            &["/users/{id}", "/users/{user}/orders"],
            "/users/7/orders",
            Some(("/users/{user}/orders", &[("user", "7")])),
        ),
        (&["/{code}", "/links/{code}/stats"], "/links", Some(("/{code}", &[("code", "links")]))),
        (
            &["/{code}", "/links/{code}/stats"],
            "/links/x/stats",
            Some(("/links/{code}/stats", &[("code", "x")])),
        ),
        (&["/{code}", "/links/{code}/stats"], "/links/x", None),
        (&["/f/{*rest}", "/f/index"], "/f/index", Some(("/f/index", &[]))),
        (&["/f/{*rest}", "/f/index"], "/f/index/a", Some(("/f/{*rest}", &[("rest", "index/a")]))),
        (&["/f/{*rest}", "/f/{a}/b"], "/f/x/c", Some(("/f/{*rest}", &[("rest", "x/c")]))),
        (&["/a/b/c", "/{x}/b/d"], "/a/b/d", Some(("/{x}/b/d", &[("x", "a")]))),
        (&["/a/{x}/d", "/{x}/b/c", "/{*all}"], "/a/b/c", Some(("/{x}/b/c", &[("x", "a")]))),
        (&["/a/{x}/d", "/{x}/b/c", "/{*all}"], "/a/b/e", Some(("/{*all}", &[("all", "a/b/e")]))),
        (&["/{id}"], "/a%2Fb%20c", Some(("/{id}", &[("id", "a%2Fb%20c")]))),
        (&["/a"], "/A", None),
        (&["/a"], "/%61", None),
        (&[], "/", None),
        (&["/"], "", Some(("/", &[]))),
    ] {
        let routes = routes(paths);
        let route = routes.find(Method::Get, path);
        let found =
            route.map(|route| (route.path.as_str(), routes.captures(route, path).collect::<Vec<_>>()));
        assert_eq!(found, expected.map(|(path, params)| (path, params.to_vec())), "{path} in {paths:?}");
        assert_eq!(routes.find(Method::Post, path), None);
    }
}

/// A slash at the end makes another path, and a parameter has a value.
#[test]
fn a_parameter_is_not_empty() {
    for (route, path, found, with_empty) in [
        ("/users", "/users/", false, false),
        ("/users/", "/users", false, false),
        ("/users/", "/users/", true, true),
        ("/users/{id}", "/users/", false, true),
        ("/users/{id}", "/users", false, false),
        ("/{a}/b", "//b", false, true),
        ("/files/{*rest}", "/files/", false, true),
        ("/files/{*rest}", "/files", false, false),
        ("/files/{*rest}", "/files//", true, true),
        ("/{id}", "/", false, false),
        ("/{*rest}", "/", false, false),
        ("/", "/", true, true),
    ] {
        let routes = routes(&[route]);
        assert_eq!(routes.find(Method::Get, path).is_some(), found, "{route} {path}");
        let original = routes.with_empty_values();
        assert_eq!(original.find(Method::Get, path).is_some(), with_empty, "{route} {path}");
    }
}

#[test]
fn only_the_same_method_and_shape_conflict() {
    for (one, two, conflict) in [
        ("/users/{id}", "/users/{name}", true),
        ("/users/{id}", "/users/{id}", true),
        ("/f/{*a}", "/f/{*b}", true),
        ("/", "/", true),
        ("/{id}/a", "/{name}/a", true),
        ("/{id}/a", "/{name}/b", false),
        ("/users/{id}", "/users/{*id}", false),
        ("/users/{id}", "/users/me", false),
        ("/users", "/users/", false),
        ("/{*rest}", "/", false),
    ] {
        let mut routes = routes(&[one]);
        let taken = routes.insert(Method::Get, two, two.to_owned()).err().map(|taken| taken.path.clone());
        assert_eq!(taken.as_deref(), conflict.then_some(one), "{one} {two}");
        assert_eq!(routes.insert(Method::Put, two, two.to_owned()), Ok(()), "another method");
        assert_eq!(Spelling::Code.matches_like(one, two), conflict, "{one} {two}");
    }
}

#[test]
fn a_path_knows_its_methods() {
    let mut routes = routes(&["/a/{id}", "/a"]);
    routes.insert(Method::Delete, "/a/me", String::new()).unwrap();
    routes.insert(Method::Put, "/{*rest}", String::new()).unwrap();
    for (path, expected) in [
        ("/a/me", &[Method::Get, Method::Put, Method::Delete][..]),
        ("/a/you", &[Method::Get, Method::Put]),
        ("/b", &[Method::Put]),
        ("/", &[]),
    ] {
        assert_eq!(routes.methods(path).collect::<Vec<_>>(), expected, "{path}");
    }
    assert_eq!(routes.iter().count(), 4);
}

#[test]
fn deep_paths_need_no_stack() {
    let path = "/a".repeat(200_000);
    let routes = routes(&[&path]);
    assert!(routes.clone().find(Method::Get, &path).is_some());
    assert!(routes.find(Method::Get, &path[2..]).is_none());
}

#[test]
fn unrouted_requests_hear_what_is_near() {
    use Method::{Delete, Get, Post, Put};
    let all = [
        (Post, "/orders"),
        (Get, "/orders/{id}"),
        (Delete, "/orders/{id}"),
        (Put, "/customers/{id}/address"),
        (Get, "/files/{*path}"),
    ];
    for (method, path, expected) in [
        ("POST", "/ordres", "; did you mean `POST /orders`?"),
        ("POST", "/orders/", "; did you mean `POST /orders`?"),
        ("POST", "/Order", "; did you mean `POST /orders`?"),
        ("GET", "/order/7", "; did you mean `GET /orders/{id}`?"),
        ("GET", "/order/0199a5c3-7d24-7b1e-9c55-02c1f3ee5fc1", "; did you mean `GET /orders/{id}`?"),
        ("HEAD", "/order/7", "; did you mean `GET /orders/{id}`?"),
        ("PATCH", "/order/7", "; did you mean `GET /orders/{id}` or `DELETE /orders/{id}`?"),
        ("PUT", "/customer/7/adress", "; did you mean `PUT /customers/{id}/address`?"),
        ("GET", "/file/a/b", "; did you mean `GET /files/{*path}`?"),
        ("GET", "/favicon.ico", ""),
        ("GET", "/", ""),
        ("GET", "/users/7", ""),
        ("TRACE", "/nothing/near", ""),
    ] {
        let unrouted = Unrouted::new(method, path, [], all);
        assert_eq!(unrouted.to_string(), format!("no function answers `{method} {path}`{expected}"));
        assert_eq!((unrouted.status(), unrouted.allow()), (404, None));
    }
    let long = format!("/{}", "x".repeat(300));
    let message = Unrouted::new("GET", &long, [], [(Get, long.as_str())]).to_string();
    assert_eq!(message, format!("no function answers `GET {}…`", &long[..200]));
}

#[test]
fn a_wrong_method_hears_the_right_ones() {
    for (allowed, allow, hint) in [
        (&[Method::Get][..], "GET, HEAD", "`GET` and `HEAD`"),
        (&[Method::Delete, Method::Head, Method::Get], "GET, DELETE, HEAD", "`GET`, `DELETE` and `HEAD`"),
        (&[Method::Post], "POST", "`POST`"),
    ] {
        let unrouted = Unrouted::new("PUT", "/a", allowed.iter().copied(), [(Method::Put, "/b")]);
        assert_eq!((unrouted.status(), unrouted.allow().as_deref()), (405, Some(allow)));
        assert_eq!(unrouted.to_string(), format!("no function answers `PUT /a`; this path accepts {hint}"));
    }
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab]{0,1}", 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn route() -> impl Strategy<Value = String> {
    let segment = prop_oneof![4 => "[ab]{0,1}", 2 => Just("{x}".to_owned()), 1 => Just("{y}".to_owned())];
    (prop::collection::vec(segment, 1..4), prop::bool::weighted(0.2)).prop_map(|(mut segments, wild)| {
        if wild {
            segments.push("{*w}".to_owned());
        }
        format!("/{}", segments.join("/"))
    })
}

proptest! {
    #[test]
    fn the_tree_agrees_with_trying_every_route(
        given in prop::collection::vec(route(), 0..12), paths in prop::collection::vec(path(), 1..20),
    ) {
        let mut routes = Routes::new(Spelling::Code);
        let mut accepted: Vec<&String> = Vec::new();
        for route in &given {
            let alone = !accepted.iter().any(|other| Spelling::Code.matches_like(other, route));
            prop_assert_eq!(routes.insert(Method::Get, route, ()).is_ok(), alone, "{}", route);
            accepted.extend(alone.then_some(route));
        }
        accepted.sort_by(|one, two| Spelling::Code.compare(one, two));
        for path in paths {
            let expected = accepted.iter().find(|route| Spelling::Code.matches(route, &path));
            let found = routes.find(Method::Get, &path);
            prop_assert_eq!(found.map(|route| &route.path), expected.copied(), "{}", path);
            if let Some(route) = found {
                let values: Vec<_> = routes.captures(route, &path).collect();
                let mut values = values.into_iter();
                let filled = Spelling::Code.segments(&route.path).map(|segment| match segment {
                    Segment::Literal(text) => text.to_owned(),
                    _ => values.next().unwrap().1.to_owned(),
                });
                prop_assert_eq!(format!("/{}", filled.collect::<Vec<_>>().join("/")), path);
            }
        }
    }
}
