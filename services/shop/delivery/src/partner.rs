//! The partner that carries the goods: told of each delivery by HTTP.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use eg_runtime::{CloudEvent, Error, Reject as _};
use shop_events::DeliveryMarkedAsStarted;

/// How long the partner may think.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the partner is, and how to be let in.
#[derive(Debug, Clone)]
pub(crate) struct Partner {
    url: String,
    api_key: Option<String>,
    client: reqwest::Client,
}

impl Partner {
    /// `DeliveryServiceURL`, by default the simulator behind the gateway, and `DELIVERY_SERVICE_API_KEY`.
    pub(crate) fn from_env() -> Result<Self, Error> {
        let given = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let gateway = || given("EVENT_GATEWAY_URL").unwrap_or_else(|| "http://localhost:4000".to_owned());
        let url = given("DeliveryServiceURL").unwrap_or_else(|| format!("{}/logistics", gateway()));
        Self::at(url, given("DELIVERY_SERVICE_API_KEY"))
    }

    pub(crate) fn at(url: String, api_key: Option<String>) -> Result<Self, Error> {
        reqwest::Url::parse(&url)
            .map_err(|e| Error::retry(format!("DeliveryServiceURL is `{url}`, which is no URL: {e}")))?;
        let client = reqwest::Client::builder().timeout(PATIENCE).tls_backend_preconfigured(tls()).build()?;
        Ok(Self { url, api_key, client })
    }

    /// Tells the partner of a delivery. What the partner will never take is rejected.
    pub(crate) async fn take(&self, event: CloudEvent<DeliveryMarkedAsStarted>) -> Result<(), Error> {
        // As plain JSON: a gateway in front of the partner would take a CloudEvent for itself.
        let mut call = self.client.post(&self.url).header("content-type", "application/json");
        if let Some(key) = &self.api_key {
            call = call.header("ApiKeyName", key);
        }
        let answer = call.body(event.encode()?.to_json()?).send().await;
        let answer = answer.map_err(|e| Error::retry(format!("the partner does not answer: {e}")))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let refused = Error::retry(format!("the partner answered {status}"));
        let later = matches!(status.as_u16(), 401 | 407 | 408 | 409 | 425 | 429);
        if status.is_client_error() && !later { Err(refused).reject() } else { Err(refused) }
    }
}

/// TLS with ring and the webpki roots, as for the gateway.
fn tls() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
