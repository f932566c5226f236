//! A thousand events during a rebuild, which ends when it may and not before.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::eventually_within;

const EVENTS: usize = 1_000;

/// How many of them are on their way at the same time.
const AT_ONCE: usize = 16;

/// How long a build may take, or a thousand deliveries.
const PATIENCE: Duration = Duration::from_secs(240);

/// A package's builds, which can be held up.
pub(crate) struct SlowBuild {
    flags: TempDir,
}

impl SlowBuild {
    pub(crate) fn new() -> Self {
        Self { flags: tempfile::tempdir().unwrap() }
    }

    /// The `build.rs` of the package. It ends with the test at the latest: whoever started it may be gone by then.
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

    /// From now on, builds wait.
    pub(crate) fn hold(&self) {
        std::fs::write(self.flag("hold"), "").unwrap();
    }

    pub(crate) async fn begun(&self) {
        eventually_within(PATIENCE, "the build has begun", || self.flag("building").exists()).await;
    }

    /// From now on, they end.
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
    /// Emits during a build, half of them before it may end, and then one for the new version. All of them must arrive.
    /// `log` is what the function that gets them has printed: each line that contains `old` or `new` names one, and tells
    /// which version got it.
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

/// The events that the lines with this word name.
fn ids(log: &str, word: &str) -> BTreeSet<String> {
    let lines = log.lines().filter(|line| line.contains(word));
    lines
        .filter_map(|line| {
            let id = &line[line.find("event-")?..];
            Some(id.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect())
        })
        .collect()
}
