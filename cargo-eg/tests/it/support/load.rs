//! Emits a thousand events during a build, whose end the test controls.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::eventually_within;

const EVENTS: usize = 1_000;

/// The number of concurrent emits.
const AT_ONCE: usize = 16;

/// How long a build may take, or a thousand deliveries.
const PATIENCE: Duration = Duration::from_secs(240);

/// The builds of a package, which a test can pause.
pub(crate) struct SlowBuild {
    flags: TempDir,
}

impl SlowBuild {
    pub(crate) fn new() -> Self {
        Self { flags: tempfile::tempdir().unwrap() }
    }

    /// The `build.rs` of the package. It ends with the test at the latest, because the process that started it may be
    /// gone by then.
    pub(crate) fn script(&self) -> String {
        format!(
            r#"fn main() {{
    let flags = std::path::Path::new({:?});
    if flags.join("hold").exists() {{
        std::fs::write(flags.join("building"), "").unwrap();
        while flags.join("hold").exists() && !flags.join("go").exists() {{
            std::thread::sleep(std::time::Duration::from_millis(10));
        }}
    }}
}}
"#,
            self.flags.path()
        )
    }

    /// Pauses builds from now on.
    pub(crate) fn hold(&self) {
        std::fs::write(self.flag("hold"), "").unwrap();
    }

    pub(crate) async fn begun(&self) {
        eventually_within(PATIENCE, "the build has begun", || self.flag("building").exists()).await;
    }

    /// Lets builds finish from now on.
    pub(crate) fn go(&self) {
        std::fs::write(self.flag("go"), "").unwrap();
    }

    fn flag(&self, name: &str) -> PathBuf {
        self.flags.path().join(name)
    }
}

/// Emits events whose data have an id and a name: `event-0` and so on.
pub(crate) struct Load<'a> {
    pub(crate) client: &'a reqwest::Client,
    /// The Events API.
    pub(crate) url: &'a str,
    pub(crate) ty: &'a str,
}

impl Load<'_> {
    /// Emits events during a build, half of them before the build may end, and then one for the new version. All of
    /// them must arrive. `log` returns the output of the function that receives them: each line that contains `old`
    /// or `new` names an event and the version that received it.
    pub(crate) async fn during(
        &self,
        build: &SlowBuild,
        log: impl Fn() -> String,
        old: &str,
        new: &str,
        reloaded: impl Future<Output = ()>,
    ) {
        build.begun().await;
        let mut emitting = JoinSet::new();
        for n in 0..EVENTS {
            if n == EVENTS / 2 {
                let arrived = || ids(&log(), old).len() >= EVENTS / 4;
                eventually_within(PATIENCE, "the old version works during the build", arrived).await;
                build.go();
            }
            emitting.spawn(self.emit(format!("event-{n}")));
            if emitting.len() == AT_ONCE {
                emitting.join_next().await.unwrap().unwrap();
            }
        }
        emitting.join_all().await;
        reloaded.await;
        self.emit("event-last".to_owned()).await;

        let names = (0..EVENTS).map(|n| n.to_string()).chain(["last".to_owned()]);
        let all: BTreeSet<String> = names.map(|name| format!("event-{name}")).collect();
        eventually_within(PATIENCE, "all events are delivered", || {
            let log = log();
            &ids(&log, old) | &ids(&log, new) == all
        })
        .await;
        assert!(ids(&log(), new).contains("event-last"), "the new version has taken over");
    }

    fn emit(&self, id: String) -> impl Future<Output = ()> + Send + use<> {
        let event = json!({
            "specversion": "1.0", "type": self.ty, "source": "/test", "id": id, "data": {"id": id, "name": id},
        });
        let request = self
            .client
            .post(self.url)
            .header("content-type", "application/cloudevents+json")
            .body(event.to_string());
        async move { assert_eq!(request.send().await.unwrap().status(), StatusCode::ACCEPTED, "{id}") }
    }
}

/// Returns the events in the lines with this word.
fn ids(log: &str, word: &str) -> BTreeSet<String> {
    let lines = log.lines().filter(|line| line.contains(word));
    lines
        .filter_map(|line| {
            let id = &line[line.find("event-")?..];
            Some(id.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect())
        })
        .collect()
}
