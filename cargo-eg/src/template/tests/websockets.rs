//! The WebSocket API: its routes, and the rights of functions that send to connections.

use super::*;

fn on_socket(event: &str, mode: &str) -> Value {
    json!({"eventType": event, "mode": mode, "method": "POST", "path": "/"})
}

fn function(name: &str, triggers: &[Value]) -> Value {
    json!({"name": name, "id": format!("shop-{name}"), "source": "a.rs:1", "triggers": triggers})
}

fn shop_of(functions: &[Value]) -> Manifest {
    serde_json::from_value(json!({"service": "shop", "version": "1.0.0", "functions": functions})).unwrap()
}

#[test]
fn events_of_connections_are_routes_of_one_api() {
    let room = function(
        "room",
        &[on_socket("websocket.connect", "async"), on_socket("websocket.disconnect", "async")],
    );
    let say = function("say", &[on_socket("websocket.message", "sync")]);
    let (made, notes) = of(&[shop_of(&[room, say])], "").unwrap();
    assert_eq!(notes, [""; 0]);
    let [(id, api)] = all(&made, "AWS::ApiGatewayV2::Api")[..] else { panic!("one API") };
    assert_eq!((id, &api["ProtocolType"]), ("WebSocketApi", &json!("WEBSOCKET")));
    let [(_, stage)] = all(&made, "AWS::ApiGatewayV2::Stage")[..] else { panic!("one stage") };
    assert_eq!((&stage["StageName"], &stage["AutoDeploy"]), (&json!("ws"), &json!(true)));
    let routes: Vec<_> = all(&made, "AWS::ApiGatewayV2::Route")
        .into_iter()
        .map(|(id, route)| (id, route["RouteKey"].clone(), route["Target"]["Fn::Sub"].clone()))
        .collect();
    let target = |function: &str| json!(format!("integrations/${{{function}SocketIntegration}}"));
    assert_eq!(
        routes,
        [
            ("ShopRoomSocketConnect", json!("$connect"), target("ShopRoom")),
            ("ShopRoomSocketDisconnect", json!("$disconnect"), target("ShopRoom")),
            ("ShopSaySocketMessage", json!("$default"), target("ShopSay")),
        ]
    );
    assert_eq!(all(&made, "AWS::ApiGatewayV2::Integration").len(), 2, "one for each function");
    assert_eq!(all(&made, "AWS::Lambda::Permission").len(), 2);
    // The client gets the answer of a synchronous function only.
    let [(_, response)] = all(&made, "AWS::ApiGatewayV2::RouteResponse")[..] else { panic!("one answers") };
    assert_eq!(response["RouteId"], json!({"Ref": "ShopSaySocketMessage"}));
    assert_eq!(
        made["Resources"]["ShopSaySocketMessage"]["Properties"]["RouteResponseSelectionExpression"],
        "$default"
    );
    assert_eq!(made["Resources"]["ShopRoom"]["Properties"]["Timeout"], 29, "the API waits no longer");
    let url = "wss://${WebSocketApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/ws";
    assert_eq!(made["Outputs"]["WebSocketApiUrl"]["Value"]["Fn::Sub"], url);
    assert_eq!(made["Resources"].get("EventBus"), None);
}

/// Any function may send, not only those of the API's events.
#[test]
fn functions_that_send_may_manage_the_connections_of_the_api_only() {
    let mut ship = function("ship_it", &[json!({"schedule": "rate(1 minute)"})]);
    ship["connections"] = true.into();
    let say = function("say", &[on_socket("websocket.message", "async")]);
    let (made, _) = of(&[shop_of(&[ship.clone(), say])], "").unwrap();
    let managing: Vec<_> = rights(&made)
        .into_iter()
        .filter(|right| right["Action"] == json!(["execute-api:ManageConnections"]))
        .collect();
    assert_eq!(
        managing,
        [json!({
            "Sid": "ItManagesTheConnectionsOfTheWebSocketAPI", "Effect": "Allow",
            "Action": ["execute-api:ManageConnections"],
            "Resource": {"Fn::Sub":
                "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${WebSocketApi}/ws/*/@connections/*"},
        })]
    );
    let variables =
        |function: &str| made["Resources"][function]["Properties"]["Environment"]["Variables"].clone();
    let url = "https://${WebSocketApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/ws";
    assert_eq!(variables("ShopShipIt")["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"], json!({"Fn::Sub": url}));
    assert_eq!(variables("ShopSay"), Value::Null);

    let problems = of(&[shop_of(&[ship])], "").unwrap_err();
    assert_eq!(
        problems,
        [
            "shop-ship_it (a.rs:1): it takes `Connections`, but no function of the application gets connections: subscribe one \
          to websocket.connect or websocket.message"
        ]
    );
}

#[test]
fn an_event_of_connections_has_one_function() {
    let both = ["one", "two"].map(|name| function(name, &[on_socket("websocket.message", "async")]));
    let problems = of(&[shop_of(&both)], "").unwrap_err();
    assert_eq!(
        problems,
        [
            "shop-one (a.rs:1) and shop-two (a.rs:1) both subscribe to websocket.message, but a WebSocket API has one function for \
          it: subscribe only one"
        ]
    );
}
