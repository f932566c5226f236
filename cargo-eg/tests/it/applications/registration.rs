//! The functions of services/registration on AWS: somebody registers, and each service does its part.

use serde_json::{Value, json};

use super::functions::Functions;
use super::{namespace, needs};
use crate::support::stack;

/// The event types that functions subscribe to.
const TYPES: [&str; 5] = ["email.sent", "user.annotated", "user.clicked", "user.created", "user.registered"];

#[test]
fn registration_works_on_aws_from_its_zip_files() {
    if !namespace::is_inside() {
        return namespace::enter("applications::registration::registration_works_on_aws_from_its_zip_files");
    }
    let app = Functions::start("registration", &["VISION_URL"]);

    let user = app.ask("POST", "/users", Some(&json!({"email": "Donald.Duck@Disney.com", "name": "Donald"})));
    let [id, session] = ["id", "session"].map(|key| user[key].as_str().unwrap().to_owned());
    app.settle();
    let aws = &app.application.aws;
    let table = |id: &str| stack::items(aws, &app.stack.tables[id]);
    for of in ["UsersTable", "EmailsTable", "ContactsTable", "AnalyticsTable"] {
        let items = table(of);
        assert!(
            items.values().any(|item| item.to_string().contains("donald.duck@disney.com")),
            "{of}: {items:?}"
        );
    }
    assert!(table("AlertsTable").is_empty());

    let known = app.ask("GET", &format!("/users/{id}"), None);
    assert_eq!(known, json!({"id": id, "email": "donald.duck@disney.com", "name": "Donald"}));
    assert_eq!(app.ask("GET", &format!("/contacts/{id}"), None), known);
    let click = json!({"specversion": "1.0", "id": "1", "source": "/web", "type": "user.clicked",
        "data": {"target": "homepage", "session": session}});
    let cloud_event = [("content-type", "application/cloudevents+json")];
    assert_eq!(app.request("POST", "/clicks", &cloud_event, Some(&click)).0, 202);
    app.ask("POST", "/users", Some(&json!({"user": {"email": "daisy@disney.com"}})));
    let profile = json!({"id": "10", "firstName": "Dewey", "lastName": "Duck", "email": "dewey@disney.com"});
    assert_eq!(app.ask("POST", "/users", Some(&profile)), profile);
    app.ask("POST", "/email", Some(&json!({"email": "huey@disney.com"})));
    app.settle();

    let bearer = format!("Bearer {session}");
    let (status, journal) = app.request("GET", "/journal", &[("authorization", &bearer)], None);
    let mut events: Vec<&str> =
        journal.as_array().unwrap().iter().map(|entry| entry["event"].as_str().unwrap()).collect();
    events.sort_unstable();
    let expected = ["email.sent", "user.annotated", "user.clicked", "user.registered"];
    assert_eq!((status, events.as_slice()), (200, expected.as_slice()), "{journal}");
    let count = |path: &str| app.ask("GET", path, None).as_array().map(Vec::len);
    assert_eq!(count("/email"), Some(4));
    assert_eq!(count("/contacts"), Some(3));
    assert_eq!(count("/analytics/user.created"), Some(2));
    assert_eq!(count("/alerts"), Some(0));
    for path in ["/", "/app.js", "/app.css"] {
        assert!(matches!(app.ask("GET", path, None), Value::String(text) if !text.is_empty()), "{path}");
    }
    app.run_schedules();
    app.settle();
    app.check_all_ran();

    // What cannot be read is kept, and not tried again.
    let rejecting = ["crm-add_user_to_crm", "emails-send_welcome_email", "vision-annotate_user"];
    assert_eq!(app.reject(&TYPES), rejecting.map(|id| format!("registration-dev-{id}")).into());
    needs::check(&app.stack, aws);
}
