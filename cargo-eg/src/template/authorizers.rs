//! Generates the authorizers of the HTTP API: the functions that its routes name. Leaves the functions themselves to
//! `function`.

use eg_sdk::manifest::{EventTrigger, Function, Manifest, Trigger};

use super::names::{arn, pascal};
use super::{Tree, map};

/// Returns the authorizers that routes name, for the API; `None` if no route names one.
pub(super) fn all(manifests: &[Manifest]) -> Option<Tree> {
    let mut authorizers = Vec::new();
    for manifest in manifests {
        let named = |function: &Function| {
            let mut routes = manifest.functions.iter().flat_map(Function::events);
            routes.any(|route| route.authorizer.as_ref() == Some(&function.name))
        };
        for function in manifest.functions.iter().filter(|function| named(function)) {
            let iam = |trigger: &Trigger| matches!(trigger, Trigger::Authorizer { iam: true, .. });
            let id = pascal(&function.id);
            let authorizer = map! {
                "AuthorizerPayloadFormatVersion" => "2.0",
                "EnableSimpleResponses" => !function.triggers.iter().any(iam),
                "EnableFunctionDefaultPermissions" => true,
                "FunctionArn" => arn(&id),
            };
            authorizers.push((id, authorizer));
        }
    }
    Tree::Map(authorizers).filled().map(|authorizers| map! { "Authorizers" => authorizers })
}

/// Returns which authorizer a route of a function has.
pub(super) fn of_route(function: &Function, route: &EventTrigger) -> Option<Tree> {
    let authorizer = route.authorizer.as_ref()?;
    let service = function.id.strip_suffix(&function.name)?;
    Some(map! { "Authorizer" => pascal(&format!("{service}{authorizer}")) })
}
