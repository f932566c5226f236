//! Calls the API that manages the connections of a WebSocket API: sends to a connection, describes it, closes it. Leaves
//! signatures to `aws`, and what a message says to the caller. Source: the API reference of the API Gateway Management API.

use std::time::Instant;

use bytes::Bytes;
use http::{Method, StatusCode};

use super::Error;
#[cfg(feature = "eventbridge")]
use super::aws::{self, Operation, Signer};
use super::http::{Call, Http};
use super::retry::Repeat;
use super::url::{Url, parse_url};
use crate::config::Aws;
use crate::settings::ConnectionsAccess;

/// The media type of messages, whatever they say.
const CONTENT_TYPE: &str = "application/octet-stream";

/// Why a program without signatures does not call AWS.
const UNSIGNED: &str = "this program was built without the feature `eventbridge`, which signs calls of AWS; turn it on, as `cargo eg build` does";

/// A client of the connections of one API.
#[derive(Debug, Clone)]
pub struct Connections {
    http: Http,
    region: String,
    /// The API that the environment names.
    endpoint: Option<Url>,
    /// The API of the invocation: its id and stage.
    api: Option<(String, String)>,
    #[cfg(feature = "eventbridge")]
    signer: Option<Signer>,
}

impl Connections {
    /// Creates a client of the API whose URL is in `AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI`, with the region and the
    /// credentials that Lambda sets. Without the variable, [`of_api`](Self::of_api) names the API. Connects to nothing.
    ///
    /// # Errors
    /// [`Error::Url`] if the URL cannot be used.
    pub fn from_env() -> Result<Self, Error> {
        let ConnectionsAccess { aws, endpoint } = ConnectionsAccess::from_env();
        Self::new(endpoint.as_deref(), aws)
    }

    /// Creates a client of the API at a URL, if one is given, with this region and these credentials.
    ///
    /// # Errors
    /// [`Error::Url`] if the URL cannot be used.
    pub fn new(endpoint: Option<&str>, aws: Aws) -> Result<Self, Error> {
        Ok(Self {
            http: Http::new(None),
            endpoint: endpoint.map(parse_url).transpose()?,
            api: None,
            #[cfg(feature = "eventbridge")]
            signer: Signer::new(&aws, aws.region.clone()),
            region: aws.region,
        })
    }

    /// Sets the API that the invocation comes from, unless the environment names one. The host of its endpoint is always one of
    /// AWS's, so a payload cannot lead signed calls to another host. Ignores ids and stages that no API has.
    #[must_use]
    pub fn of_api(mut self, id: &str, stage: &str) -> Self {
        let is_word = |text: &str, more: &[u8]| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        if is_word(id, b"") && is_word(stage, b"-_") {
            self.api = Some((id.to_owned(), stage.to_owned()));
        }
        self
    }

    /// Sends a message. Returns whether the connection is there. A repeated attempt can send it twice.
    ///
    /// # Errors
    /// If the API is not known, refuses the message, or does not answer.
    pub async fn send(&self, connection: &str, message: Bytes) -> Result<bool, Error> {
        let action = format!("send to connection `{connection}`");
        self.call(Method::POST, connection, Some(message), action).await.map(|answer| answer.is_some())
    }

    /// Returns the API's description of a connection, which is JSON; `None` if the connection is gone.
    ///
    /// # Errors
    /// If the API is not known, refuses the call, or does not answer.
    pub async fn describe(&self, connection: &str) -> Result<Option<Bytes>, Error> {
        let action = format!("look up connection `{connection}`");
        self.call(Method::GET, connection, None, action).await
    }

    /// Closes a connection. Returns whether it was there.
    ///
    /// # Errors
    /// If the API is not known, refuses the call, or does not answer.
    pub async fn close(&self, connection: &str) -> Result<bool, Error> {
        let action = format!("close connection `{connection}`");
        self.call(Method::DELETE, connection, None, action).await.map(|answer| answer.is_some())
    }

    /// Returns the body of the answer; `None` if the connection is gone.
    async fn call(
        &self,
        method: Method,
        connection: &str,
        body: Option<Bytes>,
        action: String,
    ) -> Result<Option<Bytes>, Error> {
        let endpoint = self.endpoint(&action)?;
        let url = endpoint.join(&format!("/@connections/{}", Url::segment(connection)));
        let answer = self.exchange(method, url, body, action).await;
        match answer {
            Ok(body) => Ok(Some(body)),
            Err(error) if error.status() == Some(StatusCode::GONE.as_u16()) => Ok(None),
            Err(error) => Err(error),
        }
    }

    #[cfg(feature = "eventbridge")]
    async fn exchange(
        &self,
        method: Method,
        url: Url,
        body: Option<Bytes>,
        action: String,
    ) -> Result<Bytes, Error> {
        let Some(signer) = &self.signer else {
            if url.is_tls() {
                let reason = "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as Lambda does";
                return Err(Error::Unsupported { action, reason });
            }
            return self.unsigned(method, url, body, action).await;
        };
        let headers: &[_] = if body.is_some() { &[("content-type", CONTENT_TYPE)] } else { &[] };
        let operation = Operation { service: "execute-api", method, headers };
        let body = body.unwrap_or_default();
        let reply = aws::call(&self.http, signer, &operation, &url, &body, &action).await?;
        Ok(reply.body)
    }

    /// Without signatures, only the local cloud answers.
    #[cfg(not(feature = "eventbridge"))]
    async fn exchange(
        &self,
        method: Method,
        url: Url,
        body: Option<Bytes>,
        action: String,
    ) -> Result<Bytes, Error> {
        self.unsigned(method, url, body, action).await
    }

    async fn unsigned(
        &self,
        method: Method,
        url: Url,
        body: Option<Bytes>,
        action: String,
    ) -> Result<Bytes, Error> {
        let call = Call {
            action,
            method,
            url,
            content_type: CONTENT_TYPE,
            body,
            trace: None,
            repeat: Repeat::Harmless,
        };
        Ok(self.http.send(&call, Instant::now()).await?.body)
    }

    /// Returns the URL of the API.
    fn endpoint(&self, action: &str) -> Result<Url, Error> {
        let unsupported = |reason| Error::Unsupported { action: action.to_owned(), reason };
        let url = match (&self.endpoint, &self.api) {
            (Some(endpoint), _) => endpoint.clone(),
            (None, Some(_)) if cfg!(not(feature = "eventbridge")) => return Err(unsupported(UNSIGNED)),
            (None, Some((api, stage))) if !self.region.is_empty() => {
                let service = format!("{api}.execute-api");
                parse_url(&format!("{}/{stage}", eg_grammar::region::endpoint(&service, &self.region)))?
            }
            _ => {
                return Err(unsupported(
                    "its WebSocket API is not known; set AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI, as `cargo eg run` and \
                     `cargo eg template` do",
                ));
            }
        };
        match url.is_tls() && cfg!(not(feature = "eventbridge")) {
            true => Err(unsupported(UNSIGNED)),
            false => Ok(url),
        }
    }
}

#[cfg(test)]
#[cfg(feature = "eventbridge")]
mod tests {
    use super::*;

    fn client(endpoint: Option<&str>, region: &str) -> Connections {
        Connections::new(endpoint, Aws::new(region)).unwrap()
    }

    #[test]
    fn the_endpoint_is_that_of_the_environment_or_of_the_invocation() {
        let check = |client: Connections, expected: Option<&str>| {
            let found = client.endpoint("x").ok().map(|url| url.to_string());
            assert_eq!(found.as_deref(), expected);
        };
        let local = Some("http://127.0.0.1:4002/ws");
        check(client(local, "us-east-1").of_api("a1b2", "prod"), local);
        let none = || client(None, "eu-central-1");
        check(none(), None);
        check(client(None, "").of_api("a1b2", "prod"), None);
        check(
            none().of_api("a1b2", "prod"),
            Some("https://a1b2.execute-api.eu-central-1.amazonaws.com/prod"),
        );
        check(
            client(None, "cn-north-1").of_api("a1b2", "ws"),
            Some("https://a1b2.execute-api.cn-north-1.amazonaws.com.cn/ws"),
        );
        for (api, stage) in
            [("", "prod"), ("a1b2", ""), ("evil.example/", "prod"), ("a1b2", "../x"), ("a@b", "x")]
        {
            check(none().of_api(api, stage), None);
        }
    }
}
