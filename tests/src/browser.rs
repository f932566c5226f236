//! Starts headless Chromium and its driver for tests of pages. What tests do with it is in `webdriver`.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt as _;
use tokio::process::Command;

use crate::program::Program;
use crate::webdriver::{Screen, Session};

/// Flags that turn off everything that reaches beyond this machine, and the sandbox, which needs its own user.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
];

/// A browser with its own profile, and its driver.
#[derive(Debug)]
pub struct Browser {
    session: Session,
    /// Dropped after the session that it serves.
    _chromedriver: Program,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Prints a note and returns `None` if there is no Chromium; in CI that is a failure.
    ///
    /// # Panics
    /// If the browser does not start.
    pub async fn start(screen: Screen) -> Option<Self> {
        let installed = |program: &str| {
            let paths = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
        };
        if !(installed("chromium") && installed("chromedriver")) {
            let message = "Chromium is not installed: apt-get install chromium chromium-driver";
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{message}");
            eprintln!("skipped: {message}");
            return None;
        }
        let mut command = Command::new("chromedriver");
        command.arg("--port=0");
        let chromedriver = Program::start("chromedriver", command);
        let port = |line: &str| {
            let port = line.strip_prefix("ChromeDriver was started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        };
        let port = chromedriver.line("its port", port).await;

        let profile = tempfile::tempdir().expect("a folder for the profile");
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).into();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        let session = Session::open(&format!("http://127.0.0.1:{port}"), &flags, screen).await;
        Some(Self { session, _chromedriver: chromedriver, _profile: profile })
    }

    /// Runs `story` in the browser and closes the browser, even if `story` fails.
    ///
    /// # Panics
    /// If `story` does.
    pub async fn run(self, story: impl AsyncFnOnce(&Session)) {
        let told = AssertUnwindSafe(story(&self.session)).catch_unwind().await;
        self.session.close().await;
        told.unwrap_or_else(|panic| resume_unwind(panic));
    }
}
