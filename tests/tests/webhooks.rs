//! Webhooks that the official library of Standard Webhooks signs. In a program of its own, because its function needs a secret.

#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use eg_runtime::testing::TestApp;
use eg_runtime::webhook::{Secrets, StandardWebhooks, Webhook};
use eg_runtime::{App, http};
use eg_tests::python::python;
use serde_json::Value;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[http(POST, "/hooks/standard")]
async fn receive(hook: Webhook<StandardWebhooks, Value>) -> String {
    format!("{} {} {}", hook.id(), hook.kind().unwrap_or_default(), hook.payload["amount"])
}

/// Signs a body with the official library. Prints the timestamp and the signature.
const SIGN: &str = "
import sys
from datetime import datetime, timedelta, timezone
from standardwebhooks.webhooks import Webhook
at = datetime.now(timezone.utc) - timedelta(seconds=int(sys.argv[3]))
print(int(at.timestamp()), Webhook(sys.argv[1]).sign('msg_1', at, sys.argv[2]))
";

#[tokio::test]
async fn the_official_library_signs_what_functions_get() {
    let body = r#"{"type": "invoice.paid",  "amount": 7}"#;
    let app = TestApp::new(App::new().state(Secrets::<StandardWebhooks>::new([SECRET]))).unwrap();
    for (secret, seconds, body_sent, status) in [
        (SECRET, "0", body, 200),
        (SECRET, "290", body, 200),
        (SECRET, "310", body, 401),
        ("whsec_AAAA9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "0", body, 401),
        (SECRET, "0", "{}", 401),
    ] {
        let Some(output) = python(SIGN, &[secret, body, seconds]) else { return };
        let printed = String::from_utf8(output.stdout).unwrap();
        let (time, signature) = printed
            .trim()
            .split_once(' ')
            .unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let request = app.request("POST", "/hooks/standard").header("content-type", "application/json");
        let request = request.header("webhook-id", "msg_1").header("webhook-timestamp", time);
        let answer = request.header("webhook-signature", signature).body(body_sent).send().await;
        assert_eq!(answer.status(), status, "{secret} {seconds} {body_sent}: {}", answer.text());
        if status == 200 {
            assert_eq!(answer.text(), "msg_1 invoice.paid 7");
        }
    }
}
