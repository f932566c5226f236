//! Fetches a backup from the Config API of a running gateway into a file.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use http_body_util::{BodyExt as _, Collected, Empty};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Environment variable with the access key, as for the SDK.
const ACCESS_KEY: &str = "EVENT_GATEWAY_ACCESS_KEY";

/// Writes a backup of the gateway at `config_url` to `file`, which must not exist. Returns its size in bytes.
///
/// # Errors
/// Says what failed. Then there is no file.
pub(super) fn backup(config_url: &str, file: &Path) -> Result<u64, String> {
    if file.exists() {
        return Err(format!("{} exists; choose another name, or move it away", file.display()));
    }
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let fetched = runtime.block_on(fetch(config_url, part)).and_then(|bytes| {
        fs::rename(part, file).map(|()| bytes).map_err(|error| format!("{}: {error}", file.display()))
    });
    if fetched.is_err() {
        let _ = fs::remove_file(part);
    }
    fetched
}

async fn fetch(config_url: &str, part: &Path) -> Result<u64, String> {
    let url = format!("{}/v1/backup", config_url.trim_end_matches('/'));
    let uri: Uri = url.parse().map_err(|error| format!("{config_url} is not a URL: {error}"))?;
    let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(format!("{config_url} is not an http URL; use `curl -X POST {url} -o FILE`"));
    };
    let broken = |error: &dyn std::fmt::Display| format!("no backup from {authority}: {error}");
    let host = authority.host().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(80))).await;
    let stream = TokioIo::new(stream.map_err(|error| broken(&error))?);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(stream).await.map_err(|error| broken(&error))?;
    tokio::spawn(connection);
    let mut request = Request::post(uri.path()).header(HOST, authority.as_str());
    if let Ok(key) = std::env::var(ACCESS_KEY) {
        request = request.header(AUTHORIZATION, format!("Bearer {key}"));
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| broken(&error))?;
    let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
    let status = response.status();
    let mut body = response.into_body();
    if !status.is_success() {
        let text = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        return Err(broken(&format_args!("{status} {}", String::from_utf8_lossy(&text).trim_end())));
    }
    let write = |error: std::io::Error| format!("{}: {error}", part.display());
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part);
    let mut file = file.map_err(write)?;
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() {
            bytes += u64::try_from(data.len()).unwrap_or_default();
            file.write_all(&data).map_err(write)?;
        }
    }
    file.sync_all().map_err(write)?;
    Ok(bytes)
}
