//! Functions that services of AWS call by name. Each gets what its service sends, and answers with what that service expects.
//!
//! ```text
//! $ cargo eg run examples/aws-services
//! $ cargo eg invoke confirm --sample cognito-pre-sign-up --quiet
//! …"autoConfirmUser":true…
//! $ cargo eg invoke price --sample step-functions --quiet
//! {"cents":4500}
//! $ cargo eg invoke mask --sample firehose --quiet
//! …"result":"Ok"…"result":"ProcessingFailed"…
//! $ cargo eg invoke --sample list
//! http …
//! ```
//!
//! `custom_resource` has a custom resource of CloudFormation, and `transform` a transformation of Firehose.

mod custom_resource;
#[cfg(test)]
mod tests;
mod transform;

use eg_runtime::aws_lambda_events::cognito::CognitoEventUserPoolsPreSignup;
use eg_runtime::{App, Error, invoke};
use serde::{Deserialize, Serialize};

/// Confirms new users of a Cognito user pool. An error refuses the user.
#[invoke]
async fn confirm(mut event: CognitoEventUserPoolsPreSignup) -> Result<CognitoEventUserPoolsPreSignup, Error> {
    let email = event.request.user_attributes.get("email").map_or("", String::as_str);
    if !email.ends_with("@example.com") {
        return Err(Error::reject(format!("`{email}` is not an address of this company")));
    }
    event.response.auto_confirm_user = true;
    Ok(event)
}

#[derive(Deserialize)]
struct Order {
    item: String,
    count: u32,
}

#[derive(Serialize)]
struct Price {
    cents: u32,
}

/// A task of a state machine, which can catch `OutOfStock` with `ErrorEquals`.
#[invoke]
async fn price(order: Order) -> Result<Price, Error> {
    if order.count > 9 {
        return Err(Error::reject(format!("9 × {} are left", order.item)).with_type("OutOfStock"));
    }
    Ok(Price { cents: 1500 * order.count })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().state(custom_resource::client()?).run().await
}
