//! A custom resource of CloudFormation. The stack waits, for an hour, until the outcome has been sent to a presigned URL.
//! So every outcome is sent, also an error and a lack of time; only then does the function end. If sending fails, the
//! function fails, and Lambda calls it again.

use std::time::Duration;

use eg_runtime::aws_lambda_events::cloudformation::CloudFormationCustomResourceRequest as Request;
use eg_runtime::{Context, Error, State, invoke};
use reqwest::Client;
use serde_json::{Value, json};

/// How long before the deadline the outcome is sent.
const MARGIN: Duration = Duration::from_secs(5);

/// Numbers for a stack: `!GetAtt Numbers.Next`.
#[invoke(timeout = "1m")]
async fn numbers(context: Context, State(client): State<Client>, request: Request) -> Result<(), Error> {
    let time = context.remaining().map_or(MARGIN, |time| time.saturating_sub(MARGIN));
    let outcome = tokio::time::timeout(time, provide(&request)).await;
    let outcome = outcome.unwrap_or_else(|_| Err(Error::retry("it took too long")));
    send(&client, &request, outcome).await
}

/// Creates, updates or deletes the resource. Returns its attributes.
async fn provide(request: &Request) -> Result<Value, Error> {
    let properties = match request {
        Request::Create(create) => &create.resource_properties,
        Request::Update(update) => &update.resource_properties,
        _ => return Ok(json!({})),
    };
    // CloudFormation sends all properties as texts.
    let start = properties["Start"].as_str().ok_or("the property `Start` is missing")?;
    let start: u64 = start.parse().map_err(|e| Error::reject(format!("`Start` is {start:?}: {e}")))?;
    Ok(json!({ "Next": (start + 1).to_string() }))
}

/// Sends the outcome to CloudFormation.
async fn send(client: &Client, request: &Request, outcome: Result<Value, Error>) -> Result<(), Error> {
    // A changed physical id replaces the resource, so it stays the same.
    let (url, physical_id, stack, id, logical_id) = match request {
        Request::Create(r) => {
            (&r.response_url, &r.request_id, &r.stack_id, &r.request_id, &r.logical_resource_id)
        }
        Request::Update(r) => {
            (&r.response_url, &r.physical_resource_id, &r.stack_id, &r.request_id, &r.logical_resource_id)
        }
        Request::Delete(r) => {
            (&r.response_url, &r.physical_resource_id, &r.stack_id, &r.request_id, &r.logical_resource_id)
        }
        _ => return Err(Error::reject("the type of the request is not known")),
    };
    let mut answer = json!({
        "PhysicalResourceId": physical_id, "StackId": stack, "RequestId": id, "LogicalResourceId": logical_id,
    });
    match outcome {
        Ok(attributes) => (answer["Status"], answer["Data"]) = (json!("SUCCESS"), attributes),
        Err(error) => (answer["Status"], answer["Reason"]) = (json!("FAILED"), json!(error.to_string())),
    }
    // The URL is signed for a request without a content type.
    client.put(url).body(answer.to_string()).send().await?.error_for_status()?;
    Ok(())
}

/// Returns the client for the presigned URLs.
pub(crate) fn client() -> Result<Client, Error> {
    let provider = rustls::crypto::ring::default_provider();
    // It may be installed already, for example by a test.
    let _ = provider.install_default();
    Ok(Client::builder().timeout(Duration::from_secs(4)).build()?)
}
