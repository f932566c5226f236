//! Tests that a function binary gets its secrets as variables before `main` begins: from moto, which implements both services, and
//! from a server that counts calls, throttles and refuses.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use eg_tests::moto::{Moto, signature};
use eg_tests::{eventually, http};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::lambda::Lambda;

const PROGRAM: &str = env!("CARGO_BIN_EXE_with_secrets");

/// The variables that Lambda and a template set.
fn environment<'a>(url: &'a str, secrets: &'a str) -> [(&'a str, &'a str); 6] {
    [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_ENDPOINT_URL", url),
        ("EG_SECRETS", secrets),
        ("PLAIN", "as it was"),
    ]
}

const ARGUMENTS: [&str; 2] = ["--one", "two words"];

/// Calls an operation of moto.
async fn create(moto: &Moto, service: &str, target: &str, body: &Value) {
    let call =
        http().post(&moto.url).header("authorization", signature(service)).header("x-amz-target", target);
    let answer = call.header("content-type", "application/x-amz-json-1.1").body(body.to_string()).send();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}

async fn parameter(moto: &Moto, name: &str, value: &str) {
    let body = json!({"Name": name, "Value": value, "Type": "SecureString", "Overwrite": true});
    create(moto, "ssm", "AmazonSSM.PutParameter", &body).await;
}

#[tokio::test]
async fn secrets_are_variables_in_the_first_line_of_main() {
    let Some(moto) = Moto::start() else { return };
    parameter(&moto, "/shop/api-key", "first").await;
    parameter(&moto, "/shop/api-key", "s3cr=t \"1\"\nsecond line").await;
    let bank = json!({"Name": "shop/bank", "SecretString": "{\"password\":\"hunter2\",\"port\":5432}"});
    create(&moto, "secretsmanager", "secretsmanager.CreateSecret", &bank).await;

    let references = json!({
        "API_KEY": "ssm:/shop/api-key", "PASSWORD": "secretsmanager:shop/bank#password",
        "PORT": "secretsmanager:shop/bank#port",
    });
    let mut command = Command::new(PROGRAM);
    command.args(ARGUMENTS);
    let references = references.to_string();
    let variables = environment(&moto.url, &references);
    let lambda = Lambda::with_timeout(command, "tells", &variables, Duration::from_secs(30)).await;
    let answer = lambda.invoke(json!({})).await.unwrap();
    let expected = json!({
        "key": "s3cr=t \"1\"\nsecond line", "password": "hunter2", "port": "5432", "references": null,
        "plain": "as it was", "arguments": ARGUMENTS,
    });
    assert_eq!(answer, expected);
    assert_eq!(lambda.program.lines().join("\n"), "", "nothing is printed");

    // The version of a parameter, and the whole text of a secret.
    let references = json!({"API_KEY": "ssm:/shop/api-key:1", "PASSWORD": "secretsmanager:shop/bank", "PORT": "ssm:/shop/api-key"});
    let lambda = Lambda::start(PROGRAM, "tells", &environment(&moto.url, &references.to_string())).await;
    let answer = lambda.invoke(json!({})).await.unwrap();
    assert_eq!([&answer["key"], &answer["password"]], ["first", bank["SecretString"].as_str().unwrap()]);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_ends_the_start_with_one_line() {
    let Some(moto) = Moto::start() else { return };
    let bank = json!({"Name": "bank", "SecretString": "{\"password\":\"hunter2\"}"});
    create(&moto, "secretsmanager", "secretsmanager.CreateSecret", &bank).await;
    let bytes = json!({"Name": "binary", "SecretBinary": "aHVudGVyMg=="});
    create(&moto, "secretsmanager", "secretsmanager.CreateSecret", &bytes).await;
    let references = json!({
        "A_KEY": "ssm:/shop/none", "B_USER": "secretsmanager:bank#user", "C_BYTES": "secretsmanager:binary",
        "D_NONE": "secretsmanager:none", "E_FINE": "secretsmanager:bank",
    });
    let (lines, reported) = failure(&environment(&moto.url, &references.to_string())).await;
    for (secret, reason) in [
        ("`A_KEY` from `ssm:/shop/none`", "Systems Manager has no such parameter in eu-central-1"),
        ("`B_USER` from `secretsmanager:bank#user`", "the secret has no member `user`"),
        ("`C_BYTES` from `secretsmanager:binary`", "it is binary, and a variable holds text"),
        ("`D_NONE` from `secretsmanager:none`", "cannot call GetSecretValue: http"),
    ] {
        let expected = format!("cannot read the secret {secret}: {reason}");
        assert!(
            reported.contains(&expected) && lines[0].contains(&expected),
            "{expected}\n{reported}\n{lines:?}"
        );
    }
    assert!(reported.contains("ResourceNotFoundException"), "{reported}");
    assert!(!reported.contains("E_FINE") && !reported.contains("hunter2"), "{reported}");
}

#[tokio::test]
async fn references_that_nobody_can_read_are_not_repeated() {
    for (references, expected) in [
        ("hunter2", "EG_SECRETS is not a JSON object with the names of variables"),
        (r#"{"API_KEY":"hunter2"}"#, "EG_SECRETS: `API_KEY`: write where the secret is kept"),
        // It would start the program again and again.
        (r#"{"EG_SECRETS":"ssm:/a"}"#, "EG_SECRETS: \"EG_SECRETS\" cannot name a variable"),
    ] {
        let (_, reported) = failure(&environment("http://127.0.0.1:1", references)).await;
        assert!(reported.contains(expected) && !reported.contains("hunter2"), "{reported}");
    }
    let (_, reported) = failure(&environment("http://127.0.0.1:1", r#"{"API_KEY":"ssm:/a"}"#)[2..]).await;
    assert!(reported.contains("its region is not known; set AWS_REGION"), "{reported}");
}

/// Returns what a process that cannot start prints and reports.
async fn failure(variables: &[(&str, &str)]) -> (Vec<String>, String) {
    let lambda = Lambda::start(PROGRAM, "tells", variables).await;
    let reported = eventually("the init error", || lambda.simulator.get_init_error()).await;
    let lines =
        eventually("a line", async || Some(lambda.program.lines()).filter(|lines| !lines.is_empty())).await;
    assert_eq!(lambda.program.exit_code().await, 1);
    assert_eq!(lines.len(), 1, "{lines:?}");
    (lines, reported)
}

/// What a scripted server has got.
type Calls = Arc<Mutex<Vec<(String, Value)>>>;

/// Starts a server that answers each call by its number.
async fn scripted(
    answer: impl Fn(usize, &Value) -> Response + Clone + Send + Sync + 'static,
) -> (String, Calls) {
    let calls = Calls::default();
    let got = move |State(calls): State<Calls>, headers: HeaderMap, body: String| async move {
        let body: Value = serde_json::from_str(&body).unwrap();
        let signature = headers["authorization"].to_str().unwrap().to_owned();
        let mut calls = calls.lock().unwrap();
        calls.push((signature, body.clone()));
        answer(calls.len(), &body)
    };
    let router = Router::new().fallback(got).with_state(Arc::clone(&calls));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, calls)
}

#[tokio::test]
async fn parameters_are_read_ten_at_once_and_throttled_calls_are_repeated() {
    let (url, calls) = scripted(|number, body| {
        if number == 1 {
            let throttled = json!({"__type": "ThrottlingException", "message": "Rate exceeded"});
            return (StatusCode::BAD_REQUEST, throttled.to_string()).into_response();
        }
        let value =
            |name: &Value| json!({"Name": name, "Version": 1, "Value": format!("value of {}", name.as_str().unwrap())});
        let parameters: Vec<Value> = body["Names"].as_array().unwrap().iter().map(value).collect();
        json!({"Parameters": parameters, "InvalidParameters": []}).to_string().into_response()
    })
    .await;
    let mut references: serde_json::Map<String, Value> =
        (0..12).map(|number| (format!("KEY{number}"), json!(format!("ssm:/many/{number:02}")))).collect();
    for (name, reference) in
        [("API_KEY", "ssm:/many/00"), ("PASSWORD", "ssm:/many/01"), ("PORT", "ssm:/many/11")]
    {
        references.insert(name.to_owned(), json!(reference));
    }
    let references = Value::Object(references).to_string();
    let lambda = Lambda::start(PROGRAM, "tells", &environment(&url, &references)).await;
    let answer = lambda.invoke(json!({})).await.unwrap();
    assert_eq!([&answer["key"], &answer["port"]], ["value of /many/00", "value of /many/11"]);
    let calls = calls.lock().unwrap();
    let mut sizes: Vec<usize> =
        calls[1..].iter().map(|(_, body)| body["Names"].as_array().unwrap().len()).collect();
    sizes.sort_unstable();
    assert_eq!(
        (calls.len(), sizes),
        (3, vec![2, 10]),
        "one call is repeated, and no name is asked for twice"
    );
    for (signature, body) in calls.iter() {
        assert!(signature.contains("/eu-central-1/ssm/aws4_request, SignedHeaders="), "{signature}");
        assert_eq!(body["WithDecryption"], true);
    }
}

#[tokio::test]
async fn a_refusal_of_aws_and_an_answer_in_pieces_do_not_show_values() {
    let (url, calls) = scripted(|_, body| match body["SecretId"].as_str() {
        Some("bank") => "{\"SecretString\":7,\"x\":\"hunter2\"}".into_response(),
        _ => {
            let refused = json!({"__type": "AccessDeniedException", "message": "no policy allows it"});
            (StatusCode::BAD_REQUEST, refused.to_string()).into_response()
        }
    })
    .await;
    let arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:far-AbCdEf";
    let references = json!({"API_KEY": "ssm:/shop/api-key", "BANK": "secretsmanager:bank", "FAR": format!("secretsmanager:{arn}")});
    let (_, reported) = failure(&environment(&url, &references.to_string())).await;
    for expected in [
        "cannot read the secret `API_KEY` from `ssm:/shop/api-key`: cannot call GetParameters: ",
        "AccessDeniedException: no policy allows it",
        "cannot read the secret `BANK` from `secretsmanager:bank`: AWS returned an unexpected response (column",
    ] {
        assert!(reported.contains(expected), "{expected}: {reported}");
    }
    assert!(!reported.contains("hunter2"), "{reported}");
    let calls = calls.lock().unwrap();
    assert_eq!(calls.len(), 3, "a refusal is not repeated");
    let far = calls.iter().find(|(_, body)| body["SecretId"] == arn).unwrap();
    assert!(
        far.0.contains("/us-west-2/secretsmanager/aws4_request"),
        "the region of an ARN counts: {}",
        far.0
    );
}
