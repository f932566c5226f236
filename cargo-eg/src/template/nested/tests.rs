//! Templates that are divided, and put together again.

use std::path::Path;

use eg_sdk::manifest::Manifest;
use serde_json::json;

use super::*;
use crate::project::deploy::Deploy;
use crate::registration::plan::tests::manifest;
use crate::template::{Application, Extra, template};

/// An application, and what a stack has of it.
struct Shop {
    services: Vec<(String, Vec<(String, String)>)>,
    deploy: String,
    extra: String,
}

impl Shop {
    /// Returns services with so many functions each, which get events and answer requests.
    fn new(services: &[(&str, usize)]) -> Self {
        let functions = |name: &str, number: usize| {
            let function = |at: usize| {
                let triggers = json!([
                    {"eventType": format!("{name}.e{at}"), "mode": "async", "method": "POST", "path": "/"},
                    {"eventType": "http.request", "mode": "sync", "method": "GET", "path": format!("/{name}/{at}")},
                ]);
                (format!("{name}-f{at}"), triggers.to_string())
            };
            (name.to_owned(), (0..number).map(function).collect())
        };
        let services = services.iter().map(|(name, number)| functions(name, *number)).collect();
        Self { services, deploy: String::new(), extra: String::new() }
    }

    fn add(&mut self, service: usize, name: &str, triggers: &Value) -> &mut Self {
        let (service, functions) = &mut self.services[service];
        functions.push((format!("{service}-{name}"), triggers.to_string()));
        self
    }

    fn flat(&self) -> (Tree, Owners) {
        let deploy = Deploy::read(&self.deploy, Path::new("/app/shop/eg.toml")).unwrap();
        let manifests: Vec<Manifest> = self
            .services
            .iter()
            .map(|(service, functions)| {
                let functions: Vec<_> = functions
                    .iter()
                    .map(|(id, triggers)| (id.as_str(), "a.rs:1", triggers.as_str()))
                    .collect();
                manifest(service, &functions)
            })
            .collect();
        let extra = Extra::read(&self.extra, Path::new("/app/shop/extra.yaml")).unwrap();
        let code = |service: &str| format!("{service}.zip");
        let stage = deploy.stage(None).unwrap();
        let application =
            Application { manifests: &manifests, stage, architecture: "arm64", code: &code, extra: &extra };
        let made = template(&application).unwrap();
        (made.tree, made.owners)
    }

    /// Returns the template for a stack, and checks that its parts say what the whole says.
    #[track_caller]
    fn divided(&self, before: Option<&Value>) -> Value {
        let (flat, owners) = self.flat();
        let whole = serde_json::to_value(&flat).unwrap();
        let made = divided(flat, &owners, before).unwrap();
        let made = serde_json::to_value(&made).unwrap();
        assert_eq!(*joined(&made), whole);
        made
    }
}

fn places(template: &Value) -> BTreeMap<String, Option<String>> {
    place::stacks(template)
}

fn size_of(template: &Value) -> usize {
    template["Resources"].as_object().unwrap().len()
}

#[test]
fn a_template_that_fits_is_not_divided() {
    let shop = Shop::new(&[("bill", 20), ("ship", 20)]);
    let (flat, owners) = shop.flat();
    assert!(owners.len() > 300 && owners.len() < 500, "{}", owners.len());
    let made = divided(flat.clone(), &owners, None).unwrap();
    assert_eq!(made, flat);
}

#[test]
fn each_service_has_a_nested_stack() {
    let shop = Shop::new(&[("bill", 30), ("ship", 30)]);
    let made = shop.divided(None);
    let stacks: Vec<(&String, usize)> = nested(&made).map(|(id, part)| (id, size_of(part))).collect();
    let names: Vec<&str> = stacks.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(names, ["BillFunctions", "ShipFunctions"]);
    assert!(stacks.iter().all(|(_, size)| *size <= RESOURCES), "{stacks:?}");
    for id in ["EventBus", "HttpApi", "HttpApiStage", "BillFailures", "BillFailuresPolicy"] {
        assert!(made["Resources"].get(id).is_some(), "{id} is shared");
    }
    let bill = &made["Resources"]["BillFunctions"]["Properties"];
    assert_eq!(bill["Parameters"]["HttpApi"], json!({"Ref": "HttpApi"}));
    assert_eq!(bill["Parameters"]["StackName"], json!({"Ref": "AWS::StackName"}));
    assert_eq!(bill["Parameters"]["BillFailuresArn"], json!({"Fn::GetAtt": ["BillFailures", "Arn"]}));
    let function = &bill[TEMPLATE]["Resources"]["BillF1"]["Properties"];
    assert_eq!(function["FunctionName"], json!({"Fn::Sub": "${StackName}-bill-f1"}));
    let rules = &made["Resources"]["BillFailuresPolicy"]["Properties"]["PolicyDocument"]["Statement"][0]["Condition"]
        ["ArnEquals"]["aws:SourceArn"];
    assert_eq!(rules[0], json!({"Fn::GetAtt": ["BillFunctions", "Outputs.BillF0RuleArn"]}));
}

/// A function whose name is taken cannot be created in another stack.
#[test]
fn what_is_deployed_stays_where_it_is() {
    // A stack that was not divided keeps its functions, and what is new goes into a nested one.
    let mut shop = Shop::new(&[("bill", 25), ("ship", 25)]);
    let first = shop.divided(None);
    assert!(nested(&first).next().is_none());
    let on = |event: &str| json!([{"eventType": event, "mode": "async", "method": "POST", "path": "/"}]);
    for number in 0..20 {
        shop.add(0, &format!("new{number}"), &on(&format!("new{number}")));
    }
    let second = shop.divided(Some(&first));
    let (was, is) = (places(&first), places(&second));
    assert!(was.keys().all(|id| is[id].is_none()));
    assert_eq!(is["BillNew7"].as_deref(), Some("BillFunctions"));
    assert!(size_of(&second) <= RESOURCES);

    // Functions that come and go move no others, even if one stack would be enough again.
    let mut third = Shop::new(&[("bill", 25), ("ship", 25)]);
    third.add(0, "new7", &on("new7")).add(0, "a", &on("a"));
    third.services[1].1.truncate(5);
    let third = third.divided(Some(&second));
    let now = places(&third);
    assert!(now.iter().all(|(id, place)| is.get(id).is_none_or(|was| was == place)));
    assert_eq!(now["BillA"], None, "the stack itself has room again");
    assert_eq!(moved(&second, &third), [""; 0]);
    assert_eq!(moved(&shop.divided(None), &second).len(), 50);
}

#[test]
fn a_large_service_is_spread_by_the_names_of_its_functions() {
    let shop = Shop::new(&[("bill", 120)]);
    let made = shop.divided(None);
    let stacks: Vec<usize> = nested(&made).map(|(_, part)| size_of(part)).collect();
    assert!(stacks.len() > 4 && stacks.iter().all(|size| *size <= RESOURCES), "{stacks:?}");
    // Without a record of what is deployed, too, the others stay.
    let mut more = Shop::new(&[("bill", 120)]);
    more.add(0, "aaa", &json!([{"schedule": "rate(1 day)"}]));
    let (was, is) = (places(&made), places(&more.divided(None)));
    assert!(was.iter().all(|(id, place)| is[id] == *place));
}

#[test]
fn what_others_refer_to_stays_in_the_stack_itself() {
    let mut shop = Shop::new(&[("bill", 30), ("ship", 30)]);
    let route = json!([{"eventType": "http.request", "mode": "sync", "method": "GET", "path": "/me", "authorizer": "bill-guard"}]);
    shop.add(0, "guard", &json!([{"authorizer": true}])).add(0, "me", &route);
    shop.deploy =
        "[deploy.function.ship-f1]\nenvironment = { TOPIC = { Ref = \"Topic\" }, OTHER = { \"Fn::If\" = \
                   [\"HasAlarmTopic\", { Ref = \"AlarmTopicArn\" }, \"none\"] } }\n"
            .to_owned();
    shop.extra = "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n  Logs:\n    Type: AWS::Logs::SubscriptionFilter\n    \
                  DependsOn: [ShipF2, ShipF2Log]\n    Properties:\n      LogGroupName: !Ref ShipF2Log\n      DestinationArn: \
                  !GetAtt ShipF3.Arn\n      FilterPattern: !Sub '${ShipF3.Arn}${AWS::Region}${!x}'\n"
        .to_owned();
    let made = shop.divided(None);
    let places = places(&made);
    for id in ["BillGuard", "ShipF2", "ShipF3"] {
        assert_eq!(places[id], None, "{id}");
    }
    assert_eq!(places["BillMe"].as_deref(), Some("BillFunctions"));
    let bill = &made["Resources"]["BillFunctions"]["Properties"];
    assert_eq!(bill["Parameters"]["BillGuardAuthorizer"], json!({"Ref": "BillGuardAuthorizer"}));
    let ship = &made["Resources"]["ShipFunctions"]["Properties"];
    assert_eq!(ship["Parameters"]["AlarmTopicArn"], json!({"Ref": "AlarmTopicArn"}));
    assert!(
        ship[TEMPLATE]["Conditions"]["HasAlarmTopic"].is_object() && bill[TEMPLATE]["Conditions"].is_null()
    );

    // Where a function is already, resources that come later find it.
    shop.extra += "  Late:\n    Type: AWS::SNS::Subscription\n    Properties:\n      Protocol: lambda\n      Endpoint: !GetAtt \
                   BillF4.Arn\n      TopicArn: !Ref Topic\n";
    let late = shop.divided(Some(&made));
    let endpoint = &late["Resources"]["Late"]["Properties"]["Endpoint"];
    assert_eq!(*endpoint, json!({"Fn::GetAtt": ["BillFunctions", "Outputs.BillF4Arn"]}));
}

#[test]
fn stacks_that_wait_for_each_other_are_refused() {
    let mut shop = Shop::new(&[("bill", 30), ("ship", 30)]);
    shop.deploy = "[deploy.function.bill-f1]\nenvironment = { TOPIC = { Ref = \"Topic\" } }\n".to_owned();
    shop.extra = "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n".to_owned();
    let before = shop.divided(None);
    shop.extra += "    Properties:\n      DisplayName: !Ref BillF2\n";
    let (flat, owners) = shop.flat();
    let problems = divided(flat, &owners, Some(&before)).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("`BillFunctions` and `Topic`"), "{problems:?}");
}

#[test]
fn limits_are_numbers() {
    let mut shop = Shop::new(&[("bill", 30), ("ship", 30)]);
    let topics: String =
        (0..480).map(|number| format!("  Topic{number}:\n    Type: AWS::SNS::Topic\n")).collect();
    shop.extra = format!("Resources:\n{topics}  BillFunctions:\n    Type: AWS::SNS::Topic\n");
    let (flat, owners) = shop.flat();
    let problems = divided(flat, &owners, None).unwrap_err();
    let expected = "the template has `BillFunctions` already, which is the name of a nested stack: rename it";
    assert_eq!(problems, [expected]);
    shop.extra += &topics.replace("Topic", "More").replace("AWS::SNS::More", "AWS::SNS::Topic");
    let (flat, owners) = shop.flat();
    let problems = divided(flat, &owners, None).unwrap_err();
    let expected = "the stack has 972 resources besides those of its nested stacks, and AWS allows 500: divide the application";
    assert!(problems[1].starts_with(expected), "{problems:?}");
}
