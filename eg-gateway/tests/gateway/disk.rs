//! A disk that cannot sync, and a store that is deleted: nothing is acknowledged that is not on the disk.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Method;

use crate::process::Program;
use crate::support::{Api, Functions, PATIENCE, TestGateway, error};

/// Compiles the library that makes syncing fail.
fn shim(dir: &Path) -> std::path::PathBuf {
    let library = dir.join("fsync.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway/fsync.c");
    let compiled =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status();
    assert!(compiled.expect("a C compiler, as for SQLite itself").success());
    library
}

/// Whether the gateway says that it is ready, and the reason if it is not; and what the metric says.
async fn readiness(api: &Api) -> (u16, String, bool) {
    let get = async |path: &str| api.client.get(format!("{}/v1/{path}", api.config)).send().await.unwrap();
    let metrics = get("metrics").await.text().await.unwrap();
    let writable = metrics.lines().any(|line| line == "eventgateway_store_writable 1");
    assert!(writable || metrics.lines().any(|line| line == "eventgateway_store_writable 0"), "{metrics}");
    let status = get("status").await;
    (status.status().as_u16(), status.text().await.unwrap(), writable)
}

/// A disk without room and one that cannot sync: the gateway says that it cannot store events, and says so as soon as it
/// can again, although no client sends any.
#[tokio::test]
async fn a_gateway_whose_writes_fail_is_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    let [broken, full] = ["broken", "full"].map(|name| dir.path().join(name));
    let mut command = Program::command(&dir.path().join("data"));
    command.env("LD_PRELOAD", shim(dir.path())).env("EG_BROKEN_DISK", &broken).env("EG_FULL_DISK", &full);
    let program = Program::spawn(command);
    // The database notices it first, or the file beside it that marks its end.
    for (fault, reasons) in
        [(&broken, ["disk I/O error", "Input/output error"]), (&full, ["full", "No space left on device"])]
    {
        program.api.emit("e", &format!("before {}", fault.display())).await;
        let (status, _, writable) = readiness(&program.api).await;
        assert_eq!((status, writable), (200, true));

        fs::write(fault, "").unwrap();
        let refused = program.api.try_emit("e", &format!("refused {}", fault.display())).await.unwrap();
        assert_eq!(refused.status(), 503);
        let (status, body, writable) = readiness(&program.api).await;
        assert_eq!((status, writable), (503, false), "{body}");
        let message = error(503, &body).message;
        assert!(
            message.contains("the disk of the store failed")
                && reasons.iter().any(|reason| message.contains(reason)),
            "{message}"
        );

        fs::remove_file(fault).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while readiness(&program.api).await.0 != 200 {
            assert!(Instant::now() < deadline, "not ready again");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (status, _, writable) = readiness(&program.api).await;
        assert_eq!((status, writable), (200, true));
    }
}

#[tokio::test]
async fn a_failed_fsync_is_never_a_202() {
    let mut functions = Functions::accepting().await;
    let dir = tempfile::tempdir().unwrap();
    let (data, broken) = (dir.path().join("data"), dir.path().join("broken"));
    let mut command = Program::command(&data);
    command.env("LD_PRELOAD", shim(dir.path())).env("EG_BROKEN_DISK", &broken);
    let mut program = Program::spawn(command);
    program.api.event_type("e").await;
    program.api.http_function("f", &functions.url("/")).await;
    program.api.subscribe("e", "f").await;
    program.api.emit("e", "before").await;
    assert_eq!(functions.next_call().await.json()["id"], "before");

    fs::write(&broken, "").unwrap();
    for n in 0..20 {
        let response = program.api.try_emit("e", &format!("refused {n}")).await.unwrap();
        assert_eq!(response.status(), 503, "acknowledged without a sync");
        assert!(response.headers().contains_key("retry-after"));
    }
    fs::remove_file(&broken).unwrap();

    let mut accepted = BTreeSet::new();
    for n in 0..20 {
        let id = format!("after {n}");
        program.api.emit("e", &id).await;
        accepted.insert(id);
    }
    program.kill();
    let _program = Program::start(&data);
    while !accepted.is_empty() {
        accepted.remove(functions.next_call().await.json()["id"].as_str().unwrap());
    }
}

/// The process can go on writing to a file that was deleted, but what it writes ends with it. A 202 used to say that it
/// was stored.
#[tokio::test]
async fn a_deleted_store_accepts_nothing() {
    let functions = Functions::accepting().await;
    for deleted in ["", "event-gateway.db", "event-gateway.db-wal"] {
        let gateway = TestGateway::start().await;
        let api = &gateway.api;
        let status = async || api.client.get(format!("{}/v1/status", api.config)).send().await.unwrap();
        api.event_type("e").await;
        api.http_function("f", &functions.url("/")).await;
        api.subscribe("e", "f").await;
        api.emit("e", "before").await;
        assert_eq!(status().await.status(), 200);

        let (path, away) = (gateway.dir.path().join("data").join(deleted), gateway.dir.path().join("away"));
        fs::rename(&path, &away).unwrap();
        for answer in [api.try_emit("e", "refused").await.unwrap(), status().await] {
            assert_eq!(answer.status(), 503, "{deleted}");
            let message = error(503, &answer.text().await.unwrap()).message;
            assert!(message.contains("was deleted or replaced while the gateway ran"), "{message}");
        }
        let (code, body) = api.config(Method::POST, "default/eventtypes", r#"{"name":"late"}"#).await;
        assert_eq!(code, 503, "{body}");

        fs::rename(&away, &path).unwrap();
        assert_eq!(status().await.status(), 200);
        api.emit("e", "after").await;
    }
}
