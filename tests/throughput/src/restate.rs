//! Measures Restate, a durable execution engine, which stores each invocation before it calls a service. npm has its server; its
//! service runs in the measuring program, as the gateway's functions do.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use restate_sdk::prelude::{Context, Endpoint, HttpServer};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::Result;
use crate::function::{Functions, REPLY};
use crate::load::{Load, Requests, wrk};
use crate::table::{Table, median};
use crate::{PATIENCE, ROUNDS, SECONDS};

/// The version that is measured.
const VERSION: &str = "1.7.12";

/// A running Restate with the service below. Dropping it kills the process.
pub struct Restate {
    process: Child,
    _dir: TempDir,
    ingress: String,
}

/// The service that Restate calls.
struct Throughput(Arc<Functions>);

#[restate_sdk::service]
impl Throughput {
    #[handler]
    async fn answer(&self, _: Context<'_>, _: Bytes) -> std::result::Result<Bytes, Infallible> {
        Ok(Bytes::from_static(REPLY.as_bytes()))
    }

    #[handler]
    async fn collect(&self, _: Context<'_>, event: Bytes) -> std::result::Result<Bytes, Infallible> {
        self.0.collect(&event);
        Ok(Bytes::new())
    }
}

impl Restate {
    /// Starts Restate with its own settings, except for addresses. Installs it with npm if it is missing.
    pub async fn start(functions: &Arc<Functions>) -> Result<Self> {
        let service = TcpListener::bind("127.0.0.1:0").await?;
        let deployment = json!({ "uri": format!("http://{}", service.local_addr()?) });
        let endpoint = Endpoint::builder().bind(Throughput(Arc::clone(functions))).build();
        tokio::spawn(HttpServer::new(endpoint).serve_with_cancel(service, std::future::pending::<()>()));

        let dir = tempfile::tempdir()?;
        let [node, ingress, admin] = ports()?.map(|port| format!("127.0.0.1:{port}"));
        let settings = dir.path().join("restate.toml");
        let data = dir.path().join("data");
        std::fs::write(
            &settings,
            format!(
                "base-dir = {data:?}\nbind-address = \"{node}\"\nadvertised-address = \"http://{node}\"\ndisable-telemetry = true\n\
                 [ingress]\nbind-address = \"{ingress}\"\n[admin]\nbind-address = \"{admin}\"\n"
            ),
        )?;
        let mut command = Command::new(program()?);
        command.arg("--config-file").arg(settings).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn()?;
        let restate = Self { process, _dir: dir, ingress: format!("http://{ingress}/Throughput") };
        let client = reqwest::Client::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let registered =
                client.post(format!("http://{admin}/deployments")).json(&deployment).send().await;
            match registered {
                Ok(response) if response.status().is_success() => break,
                _ if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(100)).await,
                Ok(response) => return Err(format!("restate: {}", response.text().await?).into()),
                Err(error) => return Err(format!("restate: {error}").into()),
            }
        }
        Ok(restate)
    }

    /// Adds Restate's rows: a call whose answer the client gets, an invocation that is stored and not run, and one that is run.
    pub async fn rows(&self, table: &mut Table, functions: &Functions, axum: f64) -> Result<()> {
        let [mut answered, mut accepted, mut sent] = [const { Vec::new() }; 3];
        let mut delivered = Vec::new();
        for round in 0..ROUNDS {
            let events = |ids| Requests::Events(ids, 1);
            let url = |path: &str| format!("{}/{path}", self.ingress);
            let ids = format!("called-{round}-");
            answered.push(wrk(&url("answer"), events(&ids), SECONDS).await?);
            let ids = format!("stored-{round}-");
            accepted.push(wrk(&url("collect/send?delay=1h"), events(&ids), SECONDS).await?);
            functions.forget();
            let (ids, began) = (format!("sent-{round}-"), Instant::now());
            let load = wrk(&url("collect/send"), events(&ids), SECONDS).await?;
            let acknowledged = load.requests - load.failed;
            while functions.arrived() < acknowledged && began.elapsed() < PATIENCE {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let arrived = functions.arrived();
            if arrived < acknowledged {
                return Err(format!("restate: {acknowledged} acknowledged, {arrived} arrived").into());
            }
            delivered.push(arrived as f64 / began.elapsed().as_secs_f64());
            sent.push(load);
        }
        let row = |table: &mut Table, name: &str, loads: &[Load]| table.load(name, loads, axum, None);
        row(table, "call answered through Restate", &answered);
        row(table, "invocation stored by Restate (202)", &accepted);
        row(table, "invocation stored by Restate (202), and run", &sent);
        table.rate("… accepted and run, all in all", median(delivered.into_iter()), axum, None);
        Ok(())
    }
}

impl Drop for Restate {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the path of Restate's server.
fn program() -> Result<PathBuf> {
    // Each version has a folder of its own, so that another one is not measured in its place.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/restate").join(VERSION);
    let (os, machine) = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("macos", "aarch64") => ("darwin", "arm64"),
        ("macos", _) => ("darwin", "x64"),
        (os, "aarch64") => (os, "arm64"),
        (os, _) => (os, "x64"),
    };
    let package = format!("node_modules/@restatedev/restate-server-{os}-{machine}");
    let program = folder.join(package).join("bin/restate-server");
    if !program.exists() {
        let server = format!("@restatedev/restate-server@{VERSION}");
        std::fs::create_dir_all(&folder)?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&folder)
            .arg(&server);
        let installed = npm.status().map_err(|error| format!("npm: {error}; it installs Restate"))?;
        if !installed.success() {
            return Err(format!("npm cannot install {server}").into());
        }
    }
    Ok(program)
}

/// Returns free ports.
fn ports() -> Result<[u16; 3]> {
    let listeners = [(); 3].map(|()| std::net::TcpListener::bind("127.0.0.1:0"));
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.as_ref().map_err(ToString::to_string)?.local_addr()?.port();
    }
    Ok(ports)
}
