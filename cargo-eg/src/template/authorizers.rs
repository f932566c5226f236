//! Generates the authorizers of the HTTP API: the functions that its routes name. Leaves the functions themselves to
//! `function`.

use eg_sdk::manifest::{EventTrigger, Function, Manifest, Trigger};

use super::builder::{Builder, resource};
use super::names::{pascal, reference, sub};
use super::{API, Application, Tree, map};

/// Adds the authorizers that routes name.
pub(super) fn all(application: &Application<'_>, builder: &mut Builder) {
    for manifest in application.manifests {
        for function in manifest.functions.iter().filter(|function| is_named(manifest, function)) {
            let iam = |trigger: &Trigger| matches!(trigger, Trigger::Authorizer { iam: true, .. });
            let id = pascal(&function.id);
            let uri = format!(
                "arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/${{{id}.Arn}}/invocations"
            );
            let properties = map! {
                "ApiId" => reference(API),
                "Name" => function.id.as_str(),
                "AuthorizerType" => "REQUEST",
                "AuthorizerUri" => sub(&uri),
                "AuthorizerPayloadFormatVersion" => "2.0",
                "EnableSimpleResponses" => !function.triggers.iter().any(iam),
            };
            let source =
                "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${HttpApi}/authorizers/*";
            let permission = map! {
                "Action" => "lambda:InvokeFunction",
                "FunctionName" => reference(&id),
                "Principal" => "apigateway.amazonaws.com",
                "SourceArn" => sub(source),
            };
            let authorizer = resource("AWS::ApiGatewayV2::Authorizer", properties);
            builder.add(authorizer_id(&id), &function.id, authorizer);
            let permission = resource("AWS::Lambda::Permission", permission);
            builder.add(format!("{}Permission", authorizer_id(&id)), &function.id, permission);
        }
    }
}

/// Notes the authorizers that no route names: an API that the template does not make may ask them.
pub(super) fn others(application: &Application<'_>, builder: &mut Builder) {
    for (manifest, function) in application.functions() {
        if function.is_authorizer() && !is_named(manifest, function) {
            builder.notes.push(format!(
                "{}: no route names this authorizer; for a REST or WebSocket API of your own, give API Gateway the ARN in the \
                 output {}, and let it invoke the function",
                function.id,
                arn_output(function)
            ));
        }
    }
}

/// Returns whether a route of its service names an authorizer.
pub(super) fn is_named(manifest: &Manifest, function: &Function) -> bool {
    let mut routes = manifest.functions.iter().flat_map(Function::events);
    routes.any(|route| route.authorizer.as_ref() == Some(&function.name))
}

/// Returns the authorizer of a route of a function. A route whose authorizer is not deployed would be open, which is a problem.
pub(super) fn of_route(
    application: &Application<'_>,
    function: &Function,
    route: &EventTrigger,
    builder: &mut Builder,
) -> Option<Tree> {
    let name = route.authorizer.as_ref()?;
    let service = function.id.strip_suffix(&function.name)?;
    let id = format!("{service}{name}");
    if !application.functions().any(|(_, function)| function.id == id) {
        builder.problems.push(format!(
            "{} ({}): {} {} names the authorizer `{name}`, which is not deployed: remove {id} from `exclude`",
            function.id, function.source, route.method, route.path
        ));
    }
    Some(reference(&authorizer_id(&pascal(&id))))
}

/// Returns the name of the output with the ARN of a function.
pub(super) fn arn_output(function: &Function) -> String {
    format!("{}Arn", pascal(&function.id))
}

/// Returns the logical id of the authorizer that a function is.
fn authorizer_id(function: &str) -> String {
    format!("{function}Authorizer")
}
