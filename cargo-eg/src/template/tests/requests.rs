//! The HTTP API: routes, origins, authorizers, and the URLs of functions that stream.

use super::*;

/// Somebody who waits for the answer of an event can ask by HTTP.
#[test]
fn a_synchronous_subscription_with_a_path_is_a_route() {
    let (made, notes) = made(
        r#"[{"eventType":"quote.wanted","mode":"sync","method":"PUT","path":"/quotes/:id"}]"#,
        &json!({"emits": []}),
    );
    assert_eq!(notes, [""; 0]);
    let routes = all(&made, "AWS::ApiGatewayV2::Route");
    assert_eq!(routes[0].1["RouteKey"], "PUT /quotes/{id}");
    assert_eq!((routes.len(), made["Resources"].get("EventBus")), (1, None));
}

/// Regression test: the route was lost, because each of the two triggers took it for the other's.
#[test]
fn a_request_and_an_event_may_have_one_route() {
    let event = r#"{"eventType":"user.clicked","mode":"sync","method":"POST","path":"/clicks"}"#;
    let cors = r#","cors":{"origins":[],"methods":[],"headers":[],"credentials":false}"#;
    let request = route("/clicks", cors).replace("GET", "POST");
    for triggers in [[event, &request], [&request, event]] {
        let (made, notes) = made(&format!("[{}]", triggers.join(",")), &json!({"emits": []}));
        assert_eq!(notes, [""; 0]);
        let routes = all(&made, "AWS::ApiGatewayV2::Route");
        assert_eq!((routes.len(), &routes[0].1["RouteKey"]), (1, &json!("POST /clicks")));
        assert!(made["Resources"]["HttpApi"]["Properties"]["CorsConfiguration"].is_object());
    }
}

/// The API gives up after 30 seconds; a function that ends before can say why.
#[test]
fn a_function_ends_before_its_caller_stops_waiting() {
    let timeout = |triggers: &str, deploy: &str| {
        let (made, _) = of(&[shop(triggers, &json!({}))], deploy).unwrap();
        made["Resources"]["ShopShipIt"]["Properties"]["Timeout"].clone()
    };
    assert_eq!(timeout(&format!("[{}]", route("/", "")), ""), 29);
    assert_eq!(timeout(&on(""), ""), 30);
    assert_eq!(timeout(&on(""), "[deploy.function.shop-ship_it]\ntimeout = \"2m\""), 120);
}

#[test]
fn origins_that_an_api_does_not_know_are_left_out() {
    let cors = |origins: &str| {
        format!(r#","cors":{{"origins":[{origins}],"methods":[],"headers":[],"credentials":false}}"#)
    };
    let check = |origins: &str, expected: Option<Value>, notes: usize| {
        let (made, said) = made(&format!("[{}]", route("/", &cors(origins))), &json!({}));
        let found = made["Resources"]["HttpApi"]["Properties"]
            .get("CorsConfiguration")
            .map(|cors| cors["AllowOrigins"].clone());
        assert_eq!((found, said.len()), (expected, notes), "{origins} {said:?}");
    };
    check("", Some(json!(["*"])), 0);
    check(r#""https://a.example","https://*""#, Some(json!(["https://*", "https://a.example"])), 0);
    check(r#""https://a.example","http://localhost:*""#, Some(json!(["https://a.example"])), 1);
    check(r#""https://*.example""#, None, 1);
}

/// An HTTP API has one CORS configuration, so the origins of one route would get the credentials of another.
#[test]
fn credentials_of_a_route_are_for_its_own_origins() {
    let cors = |path: &str, origins: &str, credentials: bool| {
        route(
            path,
            &format!(
                r#","cors":{{"origins":[{origins}],"methods":[],"headers":[],"credentials":{credentials}}}"#
            ),
        )
    };
    let prices = |origins: &str| cors("/prices", origins, true);
    let check = |first: &str, second: &str, expected: &[&str]| {
        for triggers in [[first, second], [second, first]] {
            let triggers = format!("[{}]", triggers.join(","));
            let problems = of(&[shop(&triggers, &json!({}))], "").err().unwrap_or_default();
            assert_eq!(problems, expected, "{triggers}");
        }
    };
    let ours = r#""https://shop.example""#;
    let partner = cors("/feed", r#""https://partner.example""#, false);
    check(
        &prices(ours),
        &partner,
        &[
            "`GET /prices` would let https://partner.example send credentials, because an HTTP API has one CORS configuration: \
           give `GET /feed` only origins of `GET /prices`, or remove `credentials` from `GET /prices`",
        ],
    );
    check(&prices(ours), &cors("/feed", ours, false), &[]);
    check(&prices(r#""https://*""#), &partner, &[]);
    // Nobody sends credentials then, which is a note.
    check(&prices(ours), &cors("/feed", "", false), &[]);
}

#[test]
fn a_function_that_streams_has_a_url() {
    let (plain, notes) = made(&format!("[{}]", route("/chat", "")), &json!({}));
    assert_eq!(all(&plain, "AWS::Lambda::Url").len(), 0);
    assert_eq!((&plain["Outputs"]["ShopShipItUrl"], notes.len()), (&Value::Null, 0));

    let cors = r#","stream":true,"cors":{"origins":["https://a.example"],"methods":[],"headers":[],"credentials":true}"#;
    let (streams, notes) = made(&format!("[{}]", route("/chat", cors)), &json!({}));
    let url = &streams["Resources"]["ShopShipItUrl"]["Properties"];
    assert_eq!((&url["AuthType"], &url["InvokeMode"]), (&json!("NONE"), &json!("RESPONSE_STREAM")));
    assert_eq!(url["Cors"]["AllowOrigins"], json!(["https://a.example"]));
    assert!(!url["Cors"]["AllowMethods"].as_array().unwrap().contains(&json!("OPTIONS")), "{url}");
    assert_eq!(
        streams["Outputs"]["ShopShipItUrl"]["Value"],
        json!({"Fn::GetAtt": ["ShopShipItUrl", "FunctionUrl"]})
    );
    assert_eq!(
        notes,
        [
            "shop-ship_it: an HTTP API sends answers whole; GET /chat streams at the function's URL, which is in the outputs"
        ]
    );
}

/// Only an authorizer that a route names is one of the API; another may be for an API of the user's own. A route that names
/// none stays open.
#[test]
fn routes_name_their_authorizers() {
    let route = |path: &str, authorizer: Value| json!({"eventType": "http.request", "mode": "sync", "method": "GET", "path": path, "authorizer": authorizer});
    let function = |name: &str, triggers: Value| json!({"name": name, "id": format!("shop-{name}"), "source": "a.rs:1", "triggers": triggers});
    let manifest = json!({"service": "shop", "version": "1.0.0", "functions": [
        function("orders", json!([route("/orders", json!("check_token"))])),
        function("admin", json!([route("/admin", json!("check_admin"))])),
        function("open", json!([route("/open", Value::Null)])),
        function("check_token", json!([{"authorizer": true}])),
        function("check_admin", json!([{"authorizer": true, "iam": true}])),
        function("unused", json!([{"authorizer": true}])),
    ]});
    let (made, notes) = of(&[serde_json::from_value(manifest.clone()).unwrap()], "").unwrap();
    assert_eq!(
        notes,
        [
            "shop-unused: no route names this authorizer; for a REST or WebSocket API of your own, give API Gateway the ARN in \
             the output ShopUnusedArn, and let it invoke the function"
        ]
    );
    assert_eq!(made["Outputs"]["ShopUnusedArn"]["Value"], json!({"Fn::GetAtt": ["ShopUnused", "Arn"]}));
    assert_eq!(made["Outputs"].get("ShopCheckTokenArn"), None);
    let authorizers = all(&made, "AWS::ApiGatewayV2::Authorizer");
    let simple: Vec<_> = authorizers.iter().map(|(id, one)| (*id, &one["EnableSimpleResponses"])).collect();
    assert_eq!(
        simple,
        [("ShopCheckAdminAuthorizer", &json!(false)), ("ShopCheckTokenAuthorizer", &json!(true))]
    );
    let uri = authorizers[1].1["AuthorizerUri"]["Fn::Sub"].as_str().unwrap();
    assert!(uri.ends_with(":lambda:path/2015-03-31/functions/${ShopCheckToken.Arn}/invocations"), "{uri}");
    let auth = |route: &str| {
        let properties = &made["Resources"][route]["Properties"];
        (properties["AuthorizationType"].clone(), properties["AuthorizerId"].clone())
    };
    let named = |authorizer: &str| (json!("CUSTOM"), json!({ "Ref": authorizer }));
    assert_eq!(auth("ShopOrdersGetOrders"), named("ShopCheckTokenAuthorizer"));
    assert_eq!(auth("ShopAdminGetAdmin"), named("ShopCheckAdminAuthorizer"));
    assert_eq!(auth("ShopOpenGetOpen"), (Value::Null, Value::Null));

    // A route must not become public because its authorizer is left out.
    let deploy =
        Deploy::read("[deploy]\nexclude = [\"shop-check_admin\"]", Path::new("/app/shop/eg.toml")).unwrap();
    let manifest = deploy.stage(None).unwrap().deployed(serde_json::from_value(manifest).unwrap()).unwrap();
    let problems = of(&[manifest], "").unwrap_err();
    assert_eq!(
        problems,
        [
            "shop-admin (a.rs:1): GET /admin names the authorizer `check_admin`, which is not deployed: remove shop-check_admin from \
          `exclude`"
        ]
    );
}

#[test]
fn an_api_has_a_domain_of_its_own() {
    let certificate = "arn:aws:acm:eu-central-1:123456789012:certificate/1";
    let deploy = |certificate: &str| {
        format!(
            "[deploy]\ntags = {{ team = \"shop\" }}\ndomain = {{ name = \"api.example.com\", certificate = {certificate} }}"
        )
    };
    let functions = [shop(&format!("[{}]", route("/orders", "")), &json!({}))];
    let (made, _) = of(&functions, &deploy(&format!("{certificate:?}"))).unwrap();
    let properties = |id: &str| made["Resources"][id]["Properties"].clone();
    assert_eq!(
        properties("Domain"),
        json!({
            "DomainName": "api.example.com", "Tags": {"team": "shop"},
            "DomainNameConfigurations": [
                {"CertificateArn": certificate, "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}],
        })
    );
    assert_eq!(
        properties("DomainMapping"),
        json!({"ApiId": {"Ref": "HttpApi"}, "DomainName": {"Ref": "Domain"}, "Stage": {"Ref": "HttpApiStage"}})
    );
    let output = |name: &str| made["Outputs"][name]["Value"].clone();
    assert_eq!(output("DomainUrl"), "https://api.example.com");
    assert_eq!(output("DomainTarget"), json!({"Fn::GetAtt": ["Domain", "RegionalDomainName"]}));
    assert_eq!(output("DomainTargetZone"), json!({"Fn::GetAtt": ["Domain", "RegionalHostedZoneId"]}));

    // The certificate may be a resource of the stack.
    let own = deploy("{ Ref = \"Certificate\" }");
    let resources = "Resources:\n  Certificate:\n    Type: AWS::CertificateManager::Certificate\n    Properties: { DomainName: api.example.com }";
    let (made, _) = with(&functions, &own, resources).unwrap();
    let configuration = &made["Resources"]["Domain"]["Properties"]["DomainNameConfigurations"][0];
    assert_eq!(configuration["CertificateArn"], json!({"Ref": "Certificate"}));
    let dangling = of(&functions, &own).unwrap_err();
    assert_eq!(dangling, ["`certificate` of `domain` refers to `Certificate`, which is not in the template"]);

    let without = of(&[shop(&on(""), &json!({}))], &deploy(&format!("{certificate:?}"))).unwrap_err();
    assert_eq!(
        without,
        [
            "`domain`: no function has a route of an HTTP API, so nothing would answer at api.example.com: remove `domain` from eg.toml"
        ]
    );
}
