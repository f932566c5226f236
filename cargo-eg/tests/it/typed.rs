//! Tests the types of real services: `check` compares them, samples are generated from them, and the live feed shows
//! the causes of events that their functions emit.

use std::time::Duration;

use crate::support::shell::Shell;
use crate::support::{eventually, http};
use rustix::process::Signal;

/// Has a `UserCreated` of its own, which is not the one that users emits.
const EMAILS: &str = r#"//! Writes to users.

use eg_runtime::{App, CloudEvent, Emit, Error, Event, Json, queue, stream, subscribe};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Event)]
#[event("user.created")]
struct UserCreated {
    id: u64,
    email: Address,
}

#[derive(Deserialize, eg_runtime::Schema)]
struct Address {
    user: String,
}

#[derive(Serialize, Event)]
#[event("letter.sent")]
struct LetterSent {
    number: u32,
}

#[derive(Deserialize)]
struct Letter {
    number: u32,
}

#[subscribe(UserCreated)]
async fn welcome(event: CloudEvent<UserCreated>) -> Result<(), Error> {
    println!("hello {} of {}", event.data.email.user, event.data.id);
    Ok(())
}

#[queue("letters", batch_size = 3, window = "60s")]
async fn send(emit: Emit<LetterSent>, Json(letter): Json<Letter>) -> Result<(), Error> {
    if letter.number == 2 {
        return Err(Error::reject("the second is never sent"));
    }
    emit.send(LetterSent { number: letter.number }).await?;
    Ok(())
}

#[stream(kinesis("clicks"))]
async fn count(event: CloudEvent<u32>) -> Result<(), Error> {
    let page = event.data;
    if page == 404 {
        return Err(Error::reject("no such page"));
    }
    println!("{} clicks on {page}", event.subject().unwrap_or("nobody"));
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn services_are_compared_sampled_and_told_by_their_types() {
    let shell = Shell::new();
    assert_eq!(shell.eg("", &["new", "shop", "--workspace"]).code, Some(0));
    shell.lock("shop");
    shell.write("shop/services/emails/src/main.rs", EMAILS);
    shell.edit("shop/services/emails/Cargo.toml", "tokio.work", "serde.workspace = true\ntokio.work");

    let check = shell.eg("shop", &["check"]);
    assert_eq!((check.code, check.stdout.as_str()), (Some(22), ""), "{check:?}");
    assert_eq!(
        check.stderr,
        "\
error[schema-mismatch]: shop-users emits user.created that shop-emails-welcome cannot read
  --> services/users/src/main.rs:8 shop-users-create_user: emits user.created
   |
 8 | async fn create_user(
   |
  --> services/emails/src/main.rs:30 shop-emails-welcome: on user.created
   |
30 | async fn welcome(event: CloudEvent<UserCreated>) -> Result<(), Error> {
   |
   = data.email is string, and is read as object with user
   = data.id is string, and is read as integer
   = help: let both use one type, in a crate of shared events, or make what is not always there an Option

note[never-subscribed]: no service subscribes to letter.sent
  --> services/emails/src/main.rs:36 shop-emails-send: emits letter.sent
   |
36 | async fn send(emit: Emit<LetterSent>, Json(letter): Json<Letter>) -> Result<(), Error> {
   |

error: checked 2 services, 4 functions: 1 error, 1 note
"
    );

    // As users writes it.
    shell.edit(
        "shop/services/emails/src/main.rs",
        "id: u64,\n    email: Address,",
        "id: String,\n    email: String,",
    );
    shell.edit("shop/services/emails/src/main.rs", "event.data.email.user", "event.data.email");
    shell.edit(
        "shop/services/emails/src/main.rs",
        "#[derive(Deserialize, eg_runtime::Schema)]\nstruct Address {\n    user: String,\n}\n\n",
        "",
    );
    let check = shell.eg("shop", &["check"]);
    assert_eq!((check.code, check.stdout.as_str()), (Some(0), ""), "{check:?}");

    // A state that main does not provide is seen at the start, and only there.
    let main = shell.read("shop/services/emails/src/main.rs");
    shell.edit(
        "shop/services/emails/src/main.rs",
        "async fn welcome(",
        "async fn welcome(_: eg_runtime::State<u8>, ",
    );
    assert_eq!(shell.eg("shop", &["check"]).code, Some(0));
    let check = shell.eg("shop", &["check", "--start"]);
    assert_eq!(check.code, Some(27), "{check:?}");
    let finding = "\
error[cannot-start]: shop-emails-welcome cannot start: `welcome` needs `State<u8>`: provide it with `App::new().state(…)` in main.rs
  --> services/emails/src/main.rs:25 shop-emails-welcome
   |
25 | async fn welcome(_: eg_runtime::State<u8>, event: CloudEvent<UserCreated>) -> Result<(), Error> {
   |
";
    assert!(check.stderr.starts_with(finding), "{}", check.stderr);
    shell.write("shop/services/emails/src/main.rs", &main);
    assert_eq!(shell.eg("shop", &["check", "--start"]).code, Some(0));

    let mut run = shell.run("shop");
    let url = run.ready_within(Duration::from_secs(30 * 60)).await;
    let eg = |arguments: &[&str]| {
        let done = shell.eg("shop", arguments);
        assert_eq!(done.code, Some(0), "{done:?}");
        done
    };

    let user = r#"{"id":"10","email":"donald@example.com"}"#;
    let request = http().post(url("events") + "/users").header("content-type", "application/json").body(user);
    assert_eq!(request.send().await.unwrap().status(), 200);
    run.says(" from /services/shop-users ← POST /users: 1 subscription\n", 1).await;
    run.says(" ← POST /users → shop-emails-welcome delivered ", 1).await;

    let sample = eg(&["emit", "--event", "user.created", "--sample"]);
    assert!(sample.stdout.starts_with("Event emitted: user.created\nid: "), "{sample:?}");
    assert_eq!(sample.stderr, "to shop-emails-welcome\n");
    eventually("both users are welcome", || {
        eg(&["logs", "--function", "welcome"]).stdout.matches("\nhello ").count() == 2
    })
    .await;

    let misfit = eg(&["emit", "--event", "user.created", "--data", "{\"id\":10,\"name\":\"Donald\"}"]);
    assert_eq!(
        misfit.stderr,
        "warning: the payload is not the `user.created` of `shop-emails-welcome`: data.email is missing; data.id is `10`, and must be string\n\
         to shop-emails-welcome\n"
    );

    for number in ["1", "2", "3"] {
        let letter = format!("{{\"number\":{number}}}");
        let sent = eg(&["emit", "--queue", "letters", "--data", &letter]);
        assert!(sent.stdout.starts_with("Message sent: letters\nid: "), "{sent:?}");
    }
    run.says("queue letters → shop-emails-send 3 messages handled ", 1).await;
    run.says(
        " dead letter: rejected: the second is never sent; `cargo eg dead-letters --queue letters` lists it",
        1,
    )
    .await;
    run.says(" from /services/shop-emails ← queue letters: nobody subscribes to it\n", 2).await;

    let clicked = eg(&["emit", "--stream", "clicks", "--key", "eve", "--data", "7"]);
    assert_eq!(
        (clicked.stdout.as_str(), clicked.stderr.as_str()),
        ("Record handled: clicks\n", "by shop-emails-count\n")
    );
    eventually("the record has arrived with its key", || {
        eg(&["logs", "--function", "count"]).stdout.contains("eve clicks on 7\n")
    })
    .await;
    let missing = shell.eg("shop", &["emit", "--stream", "clicks", "--data", "404"]);
    assert_eq!((missing.code, missing.stdout.as_str()), (Some(9), ""), "{missing:?}");
    assert!(missing.stderr.contains("function shop-emails-count failed: "), "{missing:?}");
    assert!(missing.stderr.contains("no such page"), "{missing:?}");

    run.signal(Signal::INT);
    assert_eq!(run.wait(), Some(0), "{}", run.stderr());
}
