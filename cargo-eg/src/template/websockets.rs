//! Generates the WebSocket API in front of the functions that handle its events. Which functions those are is decided in
//! `sockets`.

use eg_grammar::websocket::{CONNECT, DISCONNECT, STAGE};
use eg_sdk::config::SubscriptionType;
use eg_sdk::manifest::EventTrigger;

use super::builder::{Builder, resource};
use super::names::{in_stack, pascal, reference, sub};
use super::{Application, SOCKETS, Tree, map};
use crate::sockets;

/// Adds the API if functions handle its events, or reports the functions that would have no connections.
pub(super) fn api(application: &Application<'_>, builder: &mut Builder) {
    const WHAT: &str = "the WebSocket API";
    if !application.has_sockets() {
        let managing = application.functions().filter(|(_, function)| function.connections);
        builder.problems.extend(managing.map(|(_, function)| {
            format!(
                "{} ({}): it takes `Connections`, but no function of the application gets connections: subscribe one to \
                 websocket.connect or websocket.message",
                function.id, function.source
            )
        }));
        return;
    }
    let properties = map! {
        // The HTTP API has the name of the stack.
        "Name" => in_stack("websockets"),
        "ProtocolType" => "WEBSOCKET",
        "RouteSelectionExpression" => "$request.body.action",
    };
    let tags = application.stage.tags.iter().map(|(key, value)| (key.clone(), value.as_str().into()));
    let properties = properties.with("Tags", Tree::Map(tags.collect()).filled());
    builder.add(SOCKETS.to_owned(), WHAT, resource("AWS::ApiGatewayV2::Api", properties));
    let stage = map! { "ApiId" => reference(SOCKETS), "StageName" => STAGE, "AutoDeploy" => true };
    builder.add(format!("{SOCKETS}Stage"), WHAT, resource("AWS::ApiGatewayV2::Stage", stage));
    let by_event = sockets::by_event(application.functions().map(|(_, function)| function));
    for (event, functions) in by_event {
        builder.problems.extend(sockets::shared(event, &functions));
        for (function, event) in functions.into_iter().take(1) {
            route(&function.id, event, builder);
        }
    }
}

/// Adds the route of an event. The first one of a function brings its integration and the permission to invoke it.
fn route(function: &str, event: &EventTrigger, builder: &mut Builder) {
    let id = pascal(function);
    let integration = format!("{id}SocketIntegration");
    if builder.owner(&integration).is_none() {
        let uri = format!(
            "arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/${{{id}.Arn}}/invocations"
        );
        let properties = map! {
            "ApiId" => reference(SOCKETS),
            "IntegrationType" => "AWS_PROXY",
            "IntegrationUri" => sub(&uri),
        };
        let source = format!(
            "arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{{SOCKETS}}}/*"
        );
        let permission = map! {
            "Action" => "lambda:InvokeFunction",
            "FunctionName" => reference(&id),
            "Principal" => "apigateway.amazonaws.com",
            "SourceArn" => sub(&source),
        };
        builder.add(integration.clone(), function, resource("AWS::ApiGatewayV2::Integration", properties));
        builder.add(
            format!("{id}SocketPermission"),
            function,
            resource("AWS::Lambda::Permission", permission),
        );
    }
    let (key, words) = match event.event_type.as_str() {
        CONNECT => ("$connect", "SocketConnect"),
        DISCONNECT => ("$disconnect", "SocketDisconnect"),
        _ => ("$default", "SocketMessage"),
    };
    let answers = key == "$default" && event.mode == SubscriptionType::Sync;
    let name = format!("{id}{words}");
    let properties = map! {
        "ApiId" => reference(SOCKETS),
        "RouteKey" => key,
        "Target" => sub(&format!("integrations/${{{integration}}}")),
    }
    .with("RouteResponseSelectionExpression", answers.then_some("$default"));
    builder.add(name.clone(), function, resource("AWS::ApiGatewayV2::Route", properties));
    if answers {
        let properties = map! {
            "ApiId" => reference(SOCKETS),
            "RouteId" => reference(&name),
            "RouteResponseKey" => "$default",
        };
        let response = resource("AWS::ApiGatewayV2::RouteResponse", properties);
        builder.add(format!("{name}Response"), function, response);
    }
}

/// Returns the URL for clients.
pub(super) fn client_url() -> Tree {
    sub(&format!("wss://${{{SOCKETS}}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}/{STAGE}"))
}

/// Returns the URL for functions that manage connections.
pub(super) fn management_url() -> Tree {
    sub(&format!("https://${{{SOCKETS}}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}/{STAGE}"))
}

/// Returns the ARN of all connections, for whatever is done with them.
pub(super) fn connections_arn() -> Tree {
    sub(&format!(
        "arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{{SOCKETS}}}/{STAGE}/*/@connections/*"
    ))
}
