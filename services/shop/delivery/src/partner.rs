//! Calls the partner's HTTP API for each delivery.

use std::env;
use std::time::Duration;

use eg_runtime::{CloudEvent, Error, ResultExt as _, Verdict};
use reqwest::{Client, Url};
use shop_events::DeliveryMarkedAsStarted;

/// The time limit of one call.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The partner's address and API key.
#[derive(Debug, Clone)]
pub(crate) struct Partner {
    url: Url,
    api_key: Option<String>,
    client: Client,
}

impl Partner {
    /// Reads `DeliveryServiceURL` (default: the simulator, through the gateway) and `DELIVERY_SERVICE_API_KEY`.
    pub(crate) fn from_env() -> Result<Self, Error> {
        let given = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let gateway = || given("EVENT_GATEWAY_URL").unwrap_or_else(|| "http://localhost:4000".to_owned());
        let url = given("DeliveryServiceURL").unwrap_or_else(|| format!("{}/logistics", gateway()));
        Self::at(&url, given("DELIVERY_SERVICE_API_KEY"))
    }

    pub(crate) fn at(url: &str, api_key: Option<String>) -> Result<Self, Error> {
        let url = Url::parse(url)
            .map_err(|e| Error::retry(format!("DeliveryServiceURL is `{url}`, which is not a URL: {e}")))?;
        let client = service_http::client(&url, PATIENCE)?;
        Ok(Self { url, api_key, client })
    }

    /// Hands a delivery to the partner, who must treat a repeated call for an order as the same delivery: the answer to
    /// the first call may be lost. Returns a rejection if the partner refuses it for good.
    pub(crate) async fn take(&self, event: &CloudEvent<DeliveryMarkedAsStarted>) -> Result<(), Error> {
        // Plain JSON, because a gateway in front of the partner would route a CloudEvent instead of the request.
        let mut call = self.client.post(self.url.clone()).header("content-type", "application/json");
        if let Some(key) = &self.api_key {
            call = call.header("ApiKeyName", key);
        }
        let answer = call.body(event.clone().encode()?.to_json()?).send().await;
        let answer = answer.map_err(|e| {
            Error::retry(format!("the partner does not answer: {}", service_http::reason(&e)))
        })?;
        let status = answer.status();
        let refused = Err(Error::retry(format!("the partner answered {status}")));
        match Verdict::of_status(status.as_u16()) {
            Verdict::Done => Ok(()),
            Verdict::Retry => refused,
            Verdict::Reject => refused.reject(),
        }
    }
}
