//! Signature Version 4 for calls of EventBridge. Knows no events.

use std::fmt;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::Request;

use crate::client::RequestBody;
use crate::client::url::Url;
use crate::config::{Aws, Secret};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
const TARGET: &str = "AWSEvents.PutEvents";

/// Signs with fixed credentials: Lambda sets them once for each execution environment.
#[derive(Clone)]
pub(super) struct Signer {
    credentials: Credentials,
    region: String,
}

impl Signer {
    /// Returns `None` if the credentials are incomplete.
    pub(super) fn new(aws: &Aws, region: String) -> Option<Self> {
        let text = |secret: &Secret| secret.expose().to_owned();
        let id = aws.aws_access_key_id.as_ref().map(text)?;
        let key = aws.aws_secret_access_key.as_ref().map(text)?;
        let token = aws.aws_session_token.as_ref().map(text);
        Some(Self { credentials: Credentials::new(id, key, token, None, "environment"), region })
    }

    /// Creates a signed `PutEvents` request. Returns the reason if the URL or the credentials cannot be used.
    pub(super) fn sign(&self, url: &Url, body: &Bytes) -> Result<Request<RequestBody>, String> {
        let headers = [("content-type", CONTENT_TYPE), ("x-amz-target", TARGET)];
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("events")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|e| e.to_string())?
            .into();
        let address = url.to_string();
        let request = SignableRequest::new("POST", &address, headers.into_iter(), SignableBody::Bytes(body))
            .map_err(|e| e.to_string())?;
        let (signature, _) = sign(request, &params).map_err(|e| e.to_string())?.into_parts();
        let mut builder = Request::post(url.target());
        for (name, value) in headers.into_iter().chain(signature.headers()) {
            builder = builder.header(name, value);
        }
        builder.body(RequestBody::from(body.clone())).map_err(|e| e.to_string())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("region", &self.region).finish_non_exhaustive()
    }
}
