//! Compares with tables of the observed behaviour of Event Gateway 0.9.1, and with a matcher that tries one route
//! after the other.

use proptest::prelude::*;

use super::*;

fn tree(routes: &[&str]) -> RouteTree<String> {
    let mut tree = RouteTree::default();
    for route in routes {
        tree.insert(route, (*route).to_owned()).unwrap();
    }
    tree
}

#[test]
fn conflicts() {
    for (existing, route, expected) in [
        (
            &["/:foo"][..],
            "/:bar",
            r#"parameter with different name ("foo") already defined: for route: /:bar"#,
        ),
        (&["/:foo"], "/bar", r#"parameter with different name ("foo") already defined: for route: /bar"#),
        (&["/:foo"], "/*x", r#"wildcard with different name ("foo") already defined: for route: /*x"#),
        (&["/:foo"], "/:foo", "route /:foo conflicts with existing route"),
        (&["/:foo"], "/:foo/y", ""),
        (&["/a/b/c/d"], "/b", ""),
        (&["/a/b/c/d"], "/a/b", ""),
        (&["/a/b/c/d"], "/:x", "static route already defined for route: /:x"),
        (&["/a"], "/*x", r#"wildcard with different name ("") already defined: for route: /*x"#),
        (&["/*x"], "/a", r#"wildcard with different name ("x") already defined: for route: /a"#),
        (&["/*x"], "/:a", r#"wildcard with different name ("x") already defined: for route: /:a"#),
        (&["/*x"], "/*y", r#"wildcard with different name ("x") already defined: for route: /*y"#),
        (&["/*x"], "/*x", "route /*x conflicts with existing route"),
        (&["/*x"], "/", ""),
        (&["/"], "/", "route / conflicts with existing route"),
        (&["/"], "/a", ""),
        (&[], "/*foo/bar", "wildcard must be the last parameter"),
        (&["/a/"], "/a", ""),
        (&["/a/"], "/a/", "route /a/ conflicts with existing route"),
    ] {
        let result = tree(existing).insert(route, String::new());
        let text = result.err().map(|conflict| conflict.to_string()).unwrap_or_default();
        assert_eq!(text, expected, "{route} beside {existing:?}");
    }
}

#[test]
fn lookups() {
    for (routes, path, expected) in [
        (&["/a/b/c/d"][..], "/a/b", None),
        (&["/a/b/c/d"], "/a/b/c/d", Some(("/a/b/c/d", &[][..]))),
        (&["/a/"], "/a", None),
        (&["/a/"], "/a/", Some(("/a/", &[]))),
        (&["/:name/bar/:id"], "/foo/bar/baz", Some(("/:name/bar/:id", &[("name", "foo"), ("id", "baz")]))),
        (&["/*foo"], "/foo/bar/baz", Some(("/*foo", &[("foo", "foo/bar/baz")]))),
        (&["/*foo"], "/", None),
        (&["/files/*rest"], "/files/", Some(("/files/*rest", &[("rest", "")]))),
        (&["/files/*rest"], "/files", None),
        (&["/users/:id"], "/users/", Some(("/users/:id", &[("id", "")]))),
        (&["/users/:id"], "/users/a%2Fb%20c", Some(("/users/:id", &[("id", "a%2Fb%20c")]))),
        (&["/users/:id"], "/users/1/", None),
        (&["/users", "/users/:id"], "/users", Some(("/users", &[]))),
        (&["/:id"], "/", None),
        (&["/:id"], "//", None),
        (&["/:a/:b"], "//", Some(("/:a/:b", &[("a", ""), ("b", "")]))),
        (&[], "/", None),
        (&[], "", None),
    ] {
        let tree = tree(routes);
        let found = tree.lookup(path).map(|(route, params)| (route.as_str(), params.unwrap()));
        let expected = expected.map(|(route, params)| {
            (route, params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Params>())
        });
        assert_eq!(found, expected, "{path} in {routes:?}");
    }
}

#[test]
fn root_has_no_parameters_at_all() {
    assert_eq!(tree(&["/", "/a"]).lookup("/"), Some((&"/".to_owned(), None)));
}

/// Returns the segments of a path between its slashes.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

/// Returns whether `route` by itself matches `path`.
fn matches(route: &str, path: &str) -> bool {
    if route == "/" || path == "/" {
        return route == path;
    }
    let (mut route, mut path) = (segments(route), segments(path));
    loop {
        match (route.next(), path.next()) {
            (None, None) => return true,
            (Some(r), Some(_)) if r.starts_with('*') => return true,
            (Some(r), Some(p)) if r.starts_with(':') || r == p => {}
            _ => return false,
        }
    }
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab]{0,1}", 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn route() -> impl Strategy<Value = String> {
    let segment = prop_oneof![4 => "[ab]{0,1}", 2 => Just(":x".to_owned()), 1 => Just(":y".to_owned())];
    (prop::collection::vec(segment, 1..4), prop::bool::weighted(0.2)).prop_map(|(mut segments, wild)| {
        if wild {
            segments.push("*w".to_owned());
        }
        format!("/{}", segments.join("/"))
    })
}

proptest! {
    #[test]
    fn tree_agrees_with_trying_every_route(
        routes in prop::collection::vec(route(), 0..12), paths in prop::collection::vec(path(), 1..20),
    ) {
        let mut tree = RouteTree::default();
        let accepted: Vec<_> = routes.iter().filter(|route| tree.insert(route, (*route).clone()).is_ok()).collect();
        for path in paths {
            let expected: Vec<_> = accepted.iter().filter(|route| matches(route, &path)).collect();
            prop_assert!(expected.len() <= 1, "{path} is ambiguous: {expected:?}");
            let found = tree.lookup(&path).map(|(route, _)| route);
            prop_assert_eq!(found, expected.first().map(|route| **route), "{}", path);
        }
    }
}
