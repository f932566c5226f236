//! Paths that are accepted, refused, respelled and filled in.

use super::*;

#[test]
fn spellings() {
    for (path, code, gateway, api_gateway) in [
        ("/", "/", "/", "/"),
        ("/users", "/users", "/users", "/users"),
        ("/users/{id}", "/users/{id}", "/users/:id", "/users/{id}"),
        ("/users/:id", "/users/{id}", "/users/:id", "/users/{id}"),
        ("/files/{*rest}", "/files/{*rest}", "/files/*rest", "/files/{rest+}"),
        ("/files/*rest", "/files/{*rest}", "/files/*rest", "/files/{rest+}"),
        ("/a/{b}/c/", "/a/{b}/c/", "/a/:b/c/", "/a/{b}/c/"),
        ("/a:b/%20", "/a:b/%20", "/a:b/%20", "/a:b/%20"),
    ] {
        let parsed: Path = path.parse().unwrap();
        assert_eq!((parsed.spelled(Spelling::Code), parsed.to_string()), (code.to_owned(), code.to_owned()));
        assert_eq!(parsed.spelled(Spelling::Gateway), gateway, "{path}");
        assert_eq!(parsed.spelled(Spelling::ApiGateway), api_gateway, "{path}");
        assert_eq!(Spelling::ApiGateway.respell(api_gateway, Spelling::Gateway), gateway, "{path}");
        assert_eq!(gateway.parse(), Ok(parsed), "{path}");
    }
    assert_eq!("/".parse(), Ok(Path::root()));
}

#[test]
fn parameters() {
    let path: Path = "/a/{b}/c/:d/{*e}".parse().unwrap();
    assert_eq!(path.parameters().collect::<Vec<_>>(), ["b", "d", "e"]);
    let literal = "async subscriptions match their path literally, so `b` cannot be a parameter";
    assert_eq!(path.check_literal().unwrap_err().to_string(), literal);
    assert_eq!("/a/b".parse().and_then(|path: Path| path.check_literal()), Ok(()));
}

#[test]
fn mistakes_name_the_piece() {
    let name = "the name of a parameter consists of letters, digits and `_`";
    let whole = "a parameter is a whole segment, like `/{id}`";
    for (path, expected) in [
        ("users", "a path starts with `/`: \"/users\"".to_owned()),
        ("", "a path starts with `/`: \"/\"".to_owned()),
        ("/{*rest}/more", "`{*rest}` matches the rest of the path, so nothing can follow it".to_owned()),
        ("/*rest/", "`*rest` matches the rest of the path, so nothing can follow it".to_owned()),
        ("/{id}/{id}", "two parameters are called `id`".to_owned()),
        ("/{id}/:id", "two parameters are called `id`".to_owned()),
        ("/{}", format!("`{{}}`: {name}")),
        ("/:", format!("`:`: {name}")),
        ("/*", format!("`*`: {name}")),
        ("/{user id}", format!("`{{user id}}`: {name}")),
        ("/{rest+}", format!("`{{rest+}}`: {name}")),
        ("/{id}.json", format!("`{{id}}.json`: {whole}")),
        ("/{id", format!("`{{id`: {whole}")),
        ("/a b", "`a b`: ' ' is not allowed in a path; percent-encode it".to_owned()),
        ("/a?b=1", "`a?b=1`: '?' is not allowed in a path; percent-encode it".to_owned()),
        ("/käufe", "`käufe`: 'ä' is not allowed in a path; percent-encode it".to_owned()),
    ] {
        assert_eq!(path.parse::<Path>().unwrap_err().to_string(), expected, "{path}");
    }
}

/// What a gateway stores is read as it is, also what no attribute could have said.
#[test]
fn every_text_is_a_segment_in_each_spelling() {
    use Segment::{Literal, Parameter, Wildcard};
    for (piece, code, gateway, api_gateway) in [
        ("a", Literal("a"), Literal("a"), Literal("a")),
        ("", Literal(""), Literal(""), Literal("")),
        (":id", Literal(":id"), Parameter("id"), Literal(":id")),
        ("*rest", Literal("*rest"), Wildcard("rest"), Literal("*rest")),
        (":", Literal(":"), Parameter(""), Literal(":")),
        ("{id}", Parameter("id"), Literal("{id}"), Parameter("id")),
        ("{*rest}", Wildcard("rest"), Literal("{*rest}"), Parameter("*rest")),
        ("{rest+}", Parameter("rest+"), Literal("{rest+}"), Wildcard("rest")),
    ] {
        assert_eq!(Spelling::Code.read(piece), code, "{piece}");
        assert_eq!(Spelling::Gateway.read(piece), gateway, "{piece}");
        assert_eq!(Spelling::ApiGateway.read(piece), api_gateway, "{piece}");
        for spelling in [Spelling::Code, Spelling::Gateway, Spelling::ApiGateway] {
            assert_eq!(spelling.write(spelling.read(piece)), piece);
        }
    }
}

#[test]
fn parameters_are_filled_in() {
    let value = |name: &str| match name {
        "id" => Some("7"),
        "rest" => Some("a/b"),
        _ => None,
    };
    for (path, expected) in [
        ("/", Some("/")),
        ("/users/:id/files/*rest", Some("/users/7/files/a/b")),
        ("/users/:id/", Some("/users/7/")),
        ("/users/:name", None),
    ] {
        assert_eq!(Spelling::Gateway.fill(path, value).as_deref(), expected, "{path}");
    }
    assert_eq!("/a/{b}/{*c}".parse::<Path>().unwrap().fill(|_| "1"), "/a/1/1");
}

#[test]
fn paths_that_match_the_same_requests() {
    for (one, two, alike) in [
        ("/users/{id}", "/users/{name}", true),
        ("/users/{id}", "/users/{*id}", false),
        ("/users/{id}", "/users/me", false),
        ("/users", "/users/", false),
        ("/files/{*a}", "/files/{*b}", true),
    ] {
        assert_eq!(Spelling::Code.matches_like(one, two), alike, "{one} {two}");
        assert_eq!(Spelling::Code.matches_like(two, one), alike, "{two} {one}");
    }
}

#[test]
fn matching_and_specificity() {
    use Ordering::{Equal, Greater, Less};
    for (route, path, matches) in [
        ("/", "/", true),
        ("/", "", true),
        ("/", "//", false),
        ("/a/{id}", "/a/b", true),
        ("/a/{id}", "/a/", false),
        ("/a/{id}", "/a/b/", false),
        ("/a/{id}/", "/a/b/", true),
        ("/{*rest}", "/a/b", true),
        ("/{*rest}", "/", false),
    ] {
        assert_eq!(Spelling::Code.matches(route, path), matches, "{route} {path}");
    }
    for (one, two, expected) in [
        ("/a/me", "/a/{id}", Less),
        ("/a/{id}", "/a/{*rest}", Less),
        ("/{x}/b", "/a/{y}", Greater),
        ("/{x}/{y}", "/{*rest}", Less),
        ("/{x}", "/{y}", Equal),
    ] {
        assert_eq!(Spelling::Code.compare(one, two), expected, "{one} {two}");
        assert_eq!(Spelling::Code.compare(two, one), expected.reverse(), "{two} {one}");
    }
}
