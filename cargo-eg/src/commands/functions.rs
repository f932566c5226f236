//! Resolves the name of a function for the commands that take one.

use eg_grammar::nearest;
use eg_sdk::EventGateway;

use super::history::failure;
use crate::exit::{Exit, Failure};

/// The maximum number of functions in a message.
const LISTED: usize = 12;

/// Why a name does not identify exactly one function.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem<'a> {
    Unknown(&'a [String]),
    Ambiguous(Vec<&'a str>),
}

/// Returns the id that `name` identifies. `name` is the id itself or the function's name without its service.
pub(super) fn find<'a>(name: &str, known: &'a [String]) -> Result<&'a str, Problem<'a>> {
    if let Some(id) = known.iter().find(|id| *id == name) {
        return Ok(id);
    }
    let matches: Vec<&str> = known.iter().map(String::as_str).filter(|id| is_named(name, id)).collect();
    match matches.as_slice() {
        [id] => Ok(id),
        [] => Err(Problem::Unknown(known)),
        _ => Err(Problem::Ambiguous(matches)),
    }
}

/// Returns the ids of the functions that are registered at a gateway.
pub(super) async fn registered(gateway: &EventGateway) -> Result<Vec<String>, Failure> {
    let functions = gateway.functions().list().await.map_err(failure)?;
    Ok(functions.into_iter().map(|one| one.function_id).collect())
}

/// Whether `name` is the id of a function, or its name without the service.
pub(super) fn is_named(name: &str, id: &str) -> bool {
    id.strip_suffix(name).is_some_and(|service| service.is_empty() || service.ends_with('-'))
}

impl Problem<'_> {
    /// Returns the failure to report if the known functions are those at a gateway.
    pub(super) fn at_the_gateway(self, name: &str) -> Failure {
        match self {
            Self::Unknown([]) => Failure::new(Exit::NotFound, "no function is registered at the gateway")
                .hint("`cargo eg run` starts the app and registers its functions"),
            problem => problem.failure(name, "is registered"),
        }
    }

    /// Returns the failure to report; `what` describes the known functions.
    pub(super) fn failure(self, name: &str, what: &str) -> Failure {
        match self {
            Self::Unknown(known) => {
                let mut known: Vec<&str> = known.iter().map(String::as_str).collect();
                known.sort_unstable();
                let failure = Failure::new(Exit::NotFound, format!("no function `{name}` {what}"));
                let names = known.iter().flat_map(|id| {
                    [*id].into_iter().chain(id.match_indices('-').map(|(at, _)| &id[at + 1..]))
                });
                let (shown, more) = known.split_at(known.len().min(LISTED));
                let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
                let known = format!("{}{more}", shown.join(", "));
                match nearest(name, names) {
                    Some(near) => failure.hint(format!("did you mean `{near}`? Known functions: {known}")),
                    None => failure.hint(format!("known functions: {known}")),
                }
            }
            Self::Ambiguous(ids) => {
                Failure::new(Exit::Usage, format!("several functions are named `{name}`"))
                    .hint(format!("choose one by its id: {}", ids.join(", ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_id_and_by_name() {
        let known: Vec<String> =
            ["a-list", "my-shop-list", "my-shop-sell", "users-create_user"].map(str::to_owned).to_vec();
        let check =
            |name: &str, expected: Result<&str, Problem<'_>>| assert_eq!(find(name, &known), expected);
        check("users-create_user", Ok("users-create_user"));
        check("create_user", Ok("users-create_user"));
        check("sell", Ok("my-shop-sell"));
        check("a-list", Ok("a-list"));
        check("list", Err(Problem::Ambiguous(vec!["a-list", "my-shop-list"])));
        check("user", Err(Problem::Unknown(&known)));
        check("", Err(Problem::Unknown(&known)));
        let many: Vec<String> = (10..30).map(|number| format!("shop-f{number}")).collect();
        let failure = Problem::Unknown(&many).failure("f31", "is registered").text();
        assert!(failure.ends_with("shop-f20, shop-f21 and 8 more"), "{failure}");
        assert!(is_named("my-shop-list", "my-shop-list") && is_named("list", "my-shop-list"));
        assert!(!is_named("hop-list", "my-shop-list"));
    }
}
