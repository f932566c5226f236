//! Functions that a self-hosted gateway calls.

use super::*;

const BEHIND: &str = "[deploy]\ngateway = { url = \"https://gateway.example\", space = \"shop\" }\n";

#[test]
fn a_gateway_takes_the_place_of_the_bus_and_the_api() {
    let triggers = format!(
        r#"[{}, {}, {{"eventType":"eventgateway.delivery.deadLettered","mode":"async","method":"POST","path":"/"}},
            {{"eventBridge":{{"source":["partner"],"detail-type":["paid"]}}}}]"#,
        on("").trim_matches(['[', ']']),
        route("/orders", r#","stream":true"#)
    );
    let (made, notes) = of(&[shop(&triggers, &json!({"timeout": 60}))], BEHIND).unwrap();
    assert_eq!(notes, [""; 0]);
    let resources = made["Resources"].as_object().unwrap();
    assert_eq!(resources.keys().collect::<Vec<_>>(), ["ShopShipIt", "ShopShipItLog", "ShopShipItRole"]);
    assert_eq!(rights(&made).len(), 1, "only its log");
    let function = &resources["ShopShipIt"];
    let variables = json!({"EVENT_GATEWAY_SPACE": "shop", "EVENT_GATEWAY_URL": "https://gateway.example"});
    assert_eq!(function["Properties"]["Environment"]["Variables"], variables);
    let registered = &function["Metadata"][REGISTERED];
    assert_eq!((&registered["id"], &registered["service"]), (&json!("shop-ship_it"), &json!("shop")));
    assert_eq!(registered["triggers"].as_array().unwrap().len(), 4);
    let outputs = made["Outputs"].as_object().unwrap();
    let values: Vec<_> = outputs.iter().map(|(name, output)| (name.as_str(), &output["Value"])).collect();
    assert_eq!(values, [("GatewaySpace", &json!("shop")), ("GatewayUrl", &json!("https://gateway.example"))]);
}

/// A gateway has no part in schedules, queues and events of AWS's services.
#[test]
fn what_no_gateway_delivers_stays_as_it_is() {
    let pattern = r#"{"eventBridge":{"source":["aws.s3"],"detail-type":["Object Created"]}}"#;
    let triggers = format!(r#"[{{"schedule":"rate(1 day)"}},{{"queue":"jobs"}},{pattern}]"#);
    let services = [shop(&triggers, &json!({"emits": []}))];
    let (behind, _) = of(&services, BEHIND).unwrap();
    let (plain, _) = of(&services, "").unwrap();
    let names = |made: &Value| made["Resources"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&behind), names(&plain));
    let registered = &behind["Resources"]["ShopShipIt"]["Metadata"][REGISTERED];
    assert_eq!(registered["triggers"], json!([]));
}

#[test]
fn the_address_of_a_gateway_is_set_once_and_within_reach() {
    for key in ["environment", "secrets"] {
        let deploy = format!("{BEHIND}{key} = {{ EVENT_GATEWAY_URL = \"ssm:/gateway\" }}");
        assert_eq!(
            of(&[shop(&on(""), &json!({}))], &deploy).unwrap_err(),
            [
                "shop-ship_it: `EVENT_GATEWAY_URL` follows from the gateway: remove it from `environment` or `secrets` in eg.toml"
            ]
        );
    }
    let (_, notes) =
        of(&[shop(&on(""), &json!({}))], "[deploy]\ngateway = \"http://localhost:4000/\"").unwrap();
    assert_eq!(
        notes,
        ["the gateway `http://localhost:4000` is on this machine: functions on AWS cannot emit events to it"]
    );
}
