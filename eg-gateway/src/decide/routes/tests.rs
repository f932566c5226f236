//! Compares with tables of the observed behaviour of Event Gateway 0.9.1, and with those routes that may now exist side
//! by side.

use super::*;

#[track_caller]
fn conflicts(existing: &[&str], route: &str, strict: bool, expected: &str) {
    let result = check(route, existing.iter().copied(), strict);
    let text = result.err().map(|conflict| conflict.to_string()).unwrap_or_default();
    assert_eq!(text, expected, "{route} beside {existing:?}, strict: {strict}");
}

#[test]
fn the_originals_rules() {
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
        (&["/a/b"], "/*foo/bar", "wildcard must be the last parameter"),
        (
            &["/*x"],
            "/a/*foo/bar",
            r#"wildcard with different name ("x") already defined: for route: /a/*foo/bar"#,
        ),
        (&["/a/"], "/a", ""),
        (&["/a/"], "/a/", "route /a/ conflicts with existing route"),
        (&["/a", "/b/c", "/b/:id"], "/b/:name", "static route already defined for route: /b/:name"),
    ] {
        conflicts(existing, route, true, expected);
    }
}

#[test]
fn only_routes_that_match_the_same_paths_conflict() {
    for (existing, route, expected) in [
        (
            &["/:foo"][..],
            "/:bar",
            r#"parameter with different name ("foo") already defined: for route: /:bar"#,
        ),
        (&["/:foo"], "/:foo", "route /:foo conflicts with existing route"),
        (&["/*x"], "/*y", r#"wildcard with different name ("x") already defined: for route: /*y"#),
        (&["/*x"], "/*x", "route /*x conflicts with existing route"),
        (&["/"], "/", "route / conflicts with existing route"),
        (&["/a/"], "/a/", "route /a/ conflicts with existing route"),
        (&[], "/*foo/bar", "wildcard must be the last parameter"),
        (&["/:foo", "/*x", "/a"], "/b", ""),
        (&["/b", "/*x"], "/:foo", ""),
        (&["/b", "/:foo"], "/*x", ""),
        (&["/users/:id"], "/users/:user/orders", ""),
        (&["/:code"], "/links/:code/stats", ""),
        (&["/a/"], "/a", ""),
    ] {
        conflicts(existing, route, false, expected);
    }
}
