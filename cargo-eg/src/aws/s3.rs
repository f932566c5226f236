//! The few calls of S3 that deployments need: signed, with a checksum, for buckets of one account only, repeated if they are
//! throttled or lost. What is in the bucket is left to `deploy`.
//!
//! AWS's own client of S3 takes longer to compile than all of this crate.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use eg_sdk::__private::HttpClient;
use http::{Method, Request, Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use super::{ATTEMPTS, FIRST_WAIT, credentials, failures, region};
use crate::exit::{Exit, Failure};

/// How long one attempt may take: the largest program of Lambda over a slow line.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// How long credentials must be valid so that a request uses them.
const RESERVE: Duration = Duration::from_secs(60);

/// A bucket in a region, and the account that must own it.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    region: String,
    owner: String,
    config: SdkConfig,
    http: HttpClient,
    /// The credentials of the last request.
    credentials: Mutex<Option<Credentials>>,
}

/// What a bucket is to the caller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Own,
    Missing,
    /// It is somebody else's, or the caller may not use it.
    Closed,
    /// It is in another region.
    Elsewhere,
}

/// A request, without its signature.
#[derive(Debug, Clone)]
struct Call<'a> {
    method: Method,
    /// Letters, digits and `/._-` only, which URLs need not escape.
    key: &'a str,
    query: String,
    body: Bytes,
    /// Whether it creates the bucket.
    creates: bool,
}

impl Bucket {
    /// A bucket of the account `owner` in the region of `config`. Calls nothing.
    pub(crate) fn new(config: &SdkConfig, name: String, owner: String) -> Self {
        Self {
            name,
            region: region(config),
            owner,
            config: config.clone(),
            http: HttpClient::default(),
            credentials: Mutex::default(),
        }
    }

    /// Returns the URL by which other services of AWS read an object.
    pub(crate) fn url(&self, key: &str) -> String {
        let (name, region) = (&self.name, &self.region);
        let domain = eg_grammar::region::domain(region);
        // The certificate of S3 fits names without dots only.
        match name.contains('.') {
            true => format!("https://s3.{region}.{domain}/{name}/{key}"),
            false => format!("https://{name}.s3.{region}.{domain}/{key}"),
        }
    }

    /// Finds out whether the bucket exists.
    pub(crate) async fn find(&self) -> Result<Found, Failure> {
        let action = format!("look for the bucket `{}`", self.name);
        let answer = self.send(&action, &Call::new(Method::HEAD, "", "")).await?;
        match answer.status() {
            StatusCode::OK => Ok(Found::Own),
            StatusCode::NOT_FOUND => Ok(Found::Missing),
            StatusCode::FORBIDDEN => Ok(Found::Closed),
            StatusCode::MOVED_PERMANENTLY | StatusCode::BAD_REQUEST => Ok(Found::Elsewhere),
            _ => Err(refused(&action, &answer)),
        }
    }

    /// Creates the bucket: closed to the public, with versions. Does nothing to one that the caller has created already.
    pub(crate) async fn create(&self) -> Result<(), Failure> {
        let action = format!("create the bucket `{}`", self.name);
        let place = match self.region.as_str() {
            // The region without a name in this request.
            "us-east-1" => String::new(),
            region => format!(
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
            ),
        };
        let call = Call { creates: true, ..Call::new(Method::PUT, "", "").body(place) };
        let answer = self.send(&action, &call).await?;
        if !answer.status().is_success() {
            match tags(&text(&answer), "Code").next() {
                Some("BucketAlreadyOwnedByYou") => {}
                Some("BucketAlreadyExists") => return Err(self.not_ours()),
                _ => return Err(refused(&action, &answer)),
            }
        }
        self.close().await
    }

    /// Completes a bucket that `create` made and did not close, because it was interrupted. Versions come last there.
    pub(crate) async fn complete(&self) -> Result<(), Failure> {
        let action = format!("read the settings of the bucket `{}`", self.name);
        let answer = self.send(&action, &Call::new(Method::GET, "", "versioning=")).await?;
        // Reading them needs a right that a deployment does not need otherwise.
        if answer.status().is_success() && tags(&text(&answer), "Status").next().is_none() {
            self.close().await?;
        }
        Ok(())
    }

    async fn close(&self) -> Result<(), Failure> {
        for (query, settings) in [
            (
                "publicAccessBlock=",
                "<PublicAccessBlockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 <BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>\
                 <BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>\
                 </PublicAccessBlockConfiguration>",
            ),
            (
                "versioning=",
                "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status>\
                 </VersioningConfiguration>",
            ),
        ] {
            let call = Call::new(Method::PUT, "", query).body(settings);
            self.done(&format!("close the bucket `{}`", self.name), &call).await?;
        }
        Ok(())
    }

    /// Returns the failure of a bucket that cannot be used because it is not the caller's.
    pub(crate) fn not_ours(&self) -> Failure {
        let Self { name, owner, .. } = self;
        let message =
            format!("the bucket `{name}` is not one of account {owner}, or its credentials may not use it");
        Failure::new(Exit::Refused, message).hint("choose another bucket with --bucket NAME")
    }

    /// Whether there is an object.
    pub(crate) async fn has(&self, key: &str) -> Result<bool, Failure> {
        let action = format!("look for {key}");
        let answer = self.send(&action, &Call::new(Method::HEAD, key, "")).await?;
        match answer.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(refused(&action, &answer)),
        }
    }

    /// Stores an object.
    pub(crate) async fn put(&self, key: &str, content: impl Into<Bytes>) -> Result<(), Failure> {
        let call = Call::new(Method::PUT, key, "").body(content);
        self.done(&format!("upload {key}"), &call).await.map(drop)
    }

    /// Reads an object.
    pub(crate) async fn get(&self, key: &str) -> Result<Bytes, Failure> {
        self.done(&format!("read {key}"), &Call::new(Method::GET, key, "")).await
    }

    /// Returns the keys that begin with `prefix`, in their order.
    pub(crate) async fn keys(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let (mut keys, mut after) = (Vec::new(), String::new());
        loop {
            let query = format!("list-type=2&prefix={}{after}", escaped(prefix));
            let action = format!("list the bucket `{}`", self.name);
            let page = self.done(&action, &Call::new(Method::GET, "", query)).await?;
            let page = String::from_utf8_lossy(&page);
            keys.extend(tags(&page, "Key").map(str::to_owned));
            match tags(&page, "NextContinuationToken").next() {
                Some(token) => after = format!("&continuation-token={}", escaped(token)),
                None => return Ok(keys),
            }
        }
    }

    /// Deletes all versions of the objects whose keys begin with `prefix`. Returns how many versions these were.
    pub(crate) async fn delete_all(&self, prefix: &str) -> Result<usize, Failure> {
        let mut deleted = 0;
        loop {
            let query = format!("prefix={}&versions=", escaped(prefix));
            let action = format!("list the versions in the bucket `{}`", self.name);
            let page = self.done(&action, &Call::new(Method::GET, "", query)).await?;
            let page = String::from_utf8_lossy(&page);
            let versions: Vec<_> = tags(&page, "Key").zip(tags(&page, "VersionId")).collect();
            if versions.is_empty() {
                return Ok(deleted);
            }
            for (key, version) in versions {
                let query = format!("versionId={}", escaped(version));
                self.done(&format!("delete {key}"), &Call::new(Method::DELETE, key, query)).await?;
                deleted += 1;
            }
        }
    }

    /// Deletes an object. Its versions stay.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), Failure> {
        self.done(&format!("delete {key}"), &Call::new(Method::DELETE, key, "")).await.map(drop)
    }

    /// Sends a call that must succeed.
    async fn done(&self, action: &str, call: &Call<'_>) -> Result<Bytes, Failure> {
        let answer = self.send(action, call).await?;
        if answer.status().is_success() { Ok(answer.into_body()) } else { Err(refused(action, &answer)) }
    }

    /// Sends a call until it is answered. The last answer may still ask for patience.
    async fn send(&self, action: &str, call: &Call<'_>) -> Result<Response<Bytes>, Failure> {
        let mut wait = FIRST_WAIT;
        for attempt in 1.. {
            let answer = self.http.send(self.signed(action, call).await?, PATIENCE).await;
            let busy = answer.as_ref().map_or(true, |answer| {
                answer.status().is_server_error() || answer.status() == StatusCode::TOO_MANY_REQUESTS
            });
            if !busy || attempt == ATTEMPTS {
                return answer.map_err(|error| failures::unanswered(action, &error));
            }
            tokio::time::sleep(wait.mul_f64(fastrand::f64())).await;
            wait *= 2;
        }
        unreachable!("the loop ends by returning")
    }

    async fn signed(&self, action: &str, call: &Call<'_>) -> Result<Request<Bytes>, Failure> {
        let Call { method, key, query, body, .. } = call;
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        let url = match self.config.endpoint_url() {
            Some(endpoint) => format!("{}/{}/{key}{query}", endpoint.trim_end_matches('/'), self.name),
            None => format!("{}{query}", self.url(key)),
        };
        let mut headers = Vec::new();
        // A bucket that does not exist yet has no owner.
        if !call.creates {
            headers.push(("x-amz-expected-bucket-owner", self.owner.clone()));
            if !body.is_empty() {
                headers.push(("x-amz-checksum-sha256", STANDARD.encode(Sha256::digest(body))));
            }
        }
        let identity = self.credentials().await?.into();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let unsigned = |error: String| Failure::new(Exit::Failed, format!("cannot {action}: {error}"));
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| unsigned(error.to_string()))?
            .into();
        let listed = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let request = SignableRequest::new(method.as_str(), &url, listed, SignableBody::Bytes(body))
            .map_err(|error| unsigned(error.to_string()))?;
        let (signature, _) =
            sign(request, &params).map_err(|error| unsigned(error.to_string()))?.into_parts();
        let mut request = Request::builder().method(method).uri(&url);
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        for (name, value) in signature.headers() {
            request = request.header(name, value);
        }
        request.body(body.clone()).map_err(|error| unsigned(error.to_string()))
    }

    /// Returns credentials that do not expire within a minute.
    async fn credentials(&self) -> Result<Credentials, Failure> {
        let mut kept = self.credentials.lock().await;
        let latest = SystemTime::now() + RESERVE;
        if let Some(known) = kept.as_ref().filter(|known| known.expiry().is_none_or(|end| end > latest)) {
            return Ok(known.clone());
        }
        let found = credentials(&self.config).await?;
        *kept = Some(found.clone());
        Ok(found)
    }
}

impl<'a> Call<'a> {
    fn new(method: Method, key: &'a str, query: impl Into<String>) -> Self {
        Self { method, key, query: query.into(), body: Bytes::new(), creates: false }
    }

    fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }
}

/// Returns the failure of a call that S3 has answered with an error.
fn refused(action: &str, answer: &Response<Bytes>) -> Failure {
    let text = text(answer);
    // The answer to HEAD has no text.
    let code = tags(&text, "Code").next().unwrap_or(match answer.status() {
        StatusCode::FORBIDDEN => "AccessDenied",
        StatusCode::MOVED_PERMANENTLY => "PermanentRedirect",
        status => status.canonical_reason().unwrap_or("unknown error"),
    });
    failures::answered(action, code, tags(&text, "Message").next().unwrap_or_default())
}

fn text(answer: &Response<Bytes>) -> String {
    String::from_utf8_lossy(answer.body()).into_owned()
}

/// Returns the texts within the elements of this name.
fn tags<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&open)?;
        let (text, after) = after.split_once(&close)?;
        rest = after;
        Some(text)
    })
}

/// Escapes a value of a query.
fn escaped(value: &str) -> String {
    utf8_percent_encode(value, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

    use super::*;

    #[tokio::test]
    async fn credentials_are_kept_until_they_expire() {
        #[derive(Debug, Clone)]
        struct Counting(Arc<AtomicUsize>, Option<Duration>);
        impl ProvideCredentials for Counting {
            fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
            where
                Self: 'a,
            {
                self.0.fetch_add(1, Ordering::Relaxed);
                let end = self.1.map(|lifetime| SystemTime::now() + lifetime);
                future::ProvideCredentials::ready(Ok(Credentials::new("key", "secret", None, end, "test")))
            }
        }
        for (lifetime, expected) in
            [(None, 1), (Some(Duration::from_secs(3600)), 1), (Some(Duration::from_secs(30)), 3)]
        {
            let asked = Arc::new(AtomicUsize::new(0));
            let provider = SharedCredentialsProvider::new(Counting(Arc::clone(&asked), lifetime));
            let config = SdkConfig::builder().credentials_provider(provider).build();
            let bucket = Bucket::new(&config, "b".to_owned(), "1".to_owned());
            for _ in 0..3 {
                bucket.credentials().await.unwrap();
            }
            assert_eq!(asked.load(Ordering::Relaxed), expected, "{lifetime:?}");
        }
    }

    #[test]
    fn elements_are_read_in_their_order() {
        let page = "<?xml?><R><Contents><Key>a/1</Key><Size>1</Size></Contents><Contents><Key>a/2</Key></Contents>\
                    <KeyCount>2</KeyCount></R>";
        assert_eq!(tags(page, "Key").collect::<Vec<_>>(), ["a/1", "a/2"]);
        assert_eq!(tags(page, "Nothing").next(), None);
        assert_eq!(tags("<Key>half", "Key").next(), None);
    }

    #[test]
    fn other_services_reach_an_object_in_its_region() {
        let url = |region: &'static str, name: &str| {
            let config = SdkConfig::builder().region(aws_config::Region::from_static(region)).build();
            Bucket::new(&config, name.to_owned(), "1".to_owned()).url("k")
        };
        assert_eq!(url("eu-central-1", "b"), "https://b.s3.eu-central-1.amazonaws.com/k");
        assert_eq!(url("eu-central-1", "b.example"), "https://s3.eu-central-1.amazonaws.com/b.example/k");
        assert_eq!(url("cn-north-1", "b"), "https://b.s3.cn-north-1.amazonaws.com.cn/k");
    }
}
