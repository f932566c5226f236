//! Records which application runs here: `cargo eg run` writes its addresses and services to the state directory, and
//! other commands find them from the current directory or a folder above. Addresses that the user names are left to
//! the command line.
//!
//! A record may be anybody's: that of a cloned repository, or of another user in a folder that both share. Other commands
//! send events and the user's access key to its addresses. So it counts only if nobody but the user can write it, and its
//! addresses are on this machine, where `cargo eg run` always listens.

use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use http::Uri;
use rustix::process::{Pid, geteuid, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};
use crate::project::Wanted;
use crate::state::{NAME, State, private};

/// The file in the state directory.
const FILE: &str = "running.json";

/// A running application and its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    /// Its process id, to check whether it still runs.
    pub(crate) pid: i32,
    pub(crate) events: String,
    pub(crate) config: String,
    pub(crate) lambda: String,
    #[serde(default)]
    pub(crate) named: Named,
}

/// The arguments of `cargo eg run` that select the services.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Named {
    /// The directory in which the command was run.
    pub(crate) folder: PathBuf,
    pub(crate) wanted: Wanted,
}

/// The record of a running application. Dropping it removes the file.
#[derive(Debug)]
pub(crate) struct Note(PathBuf);

impl Running {
    /// Writes the record, so that other commands can find this application.
    pub(crate) fn note(&self, state: &State) -> Result<Note, Failure> {
        let path = state.root().join(FILE);
        let text = serde_json::to_string(self).unwrap_or_default();
        private::write(&path, (text + "\n").as_bytes()).map_err(|error| {
            Failure::because(Exit::Failed, format!("cannot write {}", path.display()), error)
        })?;
        Ok(Note(path))
    }

    /// Returns the application that runs in `folder` or in the nearest folder above it.
    pub(crate) fn around(folder: &Path) -> Option<Self> {
        Self::with_state(folder).map(|(running, _)| running)
    }

    /// Returns the application that runs in `folder` or in the nearest folder above it, and its state directory.
    pub(crate) fn with_state(folder: &Path) -> Option<(Self, PathBuf)> {
        folder.ancestors().find_map(|folder| {
            let state = folder.join(NAME);
            let text = read(&state.join(FILE)).ok()?;
            let running: Self = serde_json::from_str(&text).ok()?;
            // An application that was killed leaves its record behind.
            let alive = Pid::from_raw(running.pid).is_some_and(|pid| test_kill_process(pid).is_ok());
            let here =
                [&running.events, &running.config, &running.lambda].into_iter().all(|url| is_local(url));
            (alive && here).then_some((running, state))
        })
    }

    /// Returns the application that runs in the current directory or the nearest folder above it.
    pub(crate) fn here() -> Option<Self> {
        Self::around(&std::env::current_dir().ok()?)
    }
}

/// Returns whether a URL leads to this machine.
pub(crate) fn is_local(url: &str) -> bool {
    let url = url.parse::<Uri>().ok();
    let host = url.as_ref().and_then(Uri::host).unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Reads a file of the user that nobody else can write.
fn read(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.uid() != geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    io::read_to_string(file)
}

impl Drop for Note {
    fn drop(&mut self) {
        // A record that stays is ignored, because its process is gone.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_application_is_found_from_its_workspace_while_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::locate(None, || Ok(folder.path().to_owned())).unwrap();
        state.create().unwrap();
        let inner = folder.path().join("services/users/src");
        fs::create_dir_all(&inner).unwrap();
        let running = |pid| Running {
            pid,
            events: "http://localhost:8080".to_owned(),
            config: "http://localhost:8081".to_owned(),
            lambda: "http://127.0.0.1:8082".to_owned(),
            named: Named {
                folder: folder.path().to_owned(),
                wanted: Wanted { paths: vec!["services".into()], ..Wanted::default() },
            },
        };
        let this = running(i32::try_from(std::process::id()).unwrap());
        let note = this.note(&state).unwrap();
        assert_eq!(Running::around(&inner).as_ref(), Some(&this));
        let file = state.root().join(FILE);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(Running::around(&inner), None, "others can write it");
        std::mem::forget(this.note(&state).unwrap());
        assert_eq!(Running::around(&inner).as_ref(), Some(&this), "it is written anew");
        for elsewhere in
            ["http://gateway.example:4000", "http://localhost@gateway.example", "http://10.0.0.1:4000"]
        {
            let copied = Running { config: elsewhere.to_owned(), ..this.clone() };
            std::mem::forget(copied.note(&state).unwrap());
            assert_eq!(Running::around(&inner), None, "{elsewhere} is not on this machine");
        }
        drop(note);
        assert_eq!(Running::around(&inner), None, "it has ended");
        // No process has the highest possible id.
        std::mem::forget(running(i32::MAX).note(&state).unwrap());
        assert_eq!(Running::around(&inner), None, "it was killed");
    }

    #[test]
    fn addresses_on_this_machine() {
        for (url, expected) in [
            ("http://localhost:4000", true),
            ("http://127.0.0.1:4000", true),
            ("http://[::1]:4000/base", true),
            ("https://gateway.example.com", false),
            ("http://10.0.0.1:4000", false),
            ("http://localhost:4000@gateway.example", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_local(url), expected, "{url}");
        }
    }
}
