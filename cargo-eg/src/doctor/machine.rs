//! The facts about this machine. Programs are started only to print their version.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use rustix::fs::statvfs;
use rustix::process::{Resource, getrlimit};

use crate::project::toolchain::{self, Toolchain};
use crate::state::running::Running;

/// The ports that `cargo eg run` uses.
pub(crate) const PORTS: [u16; 3] = [4000, 4001, 9001];

/// The linkers that are faster than the usual one, and what each is called on the command line of a compiler.
const FAST_LINKERS: [&str; 2] = ["mold", "ld.lld"];

/// The variables that send requests through a proxy.
const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// What is known of a machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machine {
    /// The version of the compiler, for example `1.95.0`; `None` if it does not start.
    pub(crate) rustc: Option<String>,
    /// Whether a C compiler starts.
    pub(crate) cc: bool,
    /// The name of a fast linker that is installed.
    pub(crate) fast_linker: Option<&'static str>,
    /// Whether cargo is configured to use another linker.
    pub(crate) linker_is_chosen: bool,
    /// The processor of Lambda for which programs can be built, or why for none, and the command that helps.
    pub(crate) lambda: Option<Result<&'static str, (String, String)>>,
    /// The ports on which a program listens.
    pub(crate) taken: Vec<u16>,
    /// The process id of the application that runs around the current directory.
    pub(crate) running: Option<i32>,
    /// The variables with proxies that are set.
    pub(crate) proxies: Vec<&'static str>,
    /// The number of files that a process may open.
    pub(crate) files: Option<u64>,
    /// The number of files that a user may watch; `None` where there is no such limit.
    pub(crate) watches: Option<u64>,
    /// The free space in bytes, where cargo builds.
    pub(crate) free: Option<u64>,
    /// By how much the newest file here is in the future.
    pub(crate) ahead: Option<Duration>,
    /// The versions of our crates in the lock file around the current directory.
    pub(crate) locked: BTreeMap<String, String>,
}

impl Machine {
    /// Looks at this machine, from a folder.
    pub(crate) fn look(folder: &Path) -> Self {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let lock = folder.ancestors().map(|folder| folder.join("Cargo.lock")).find(|lock| lock.is_file());
        let cc = env::var_os("CC").unwrap_or_else(|| "cc".into());
        Self {
            rustc: version(&printed(Command::new(rustc).arg("--version"))),
            cc: Command::new(cc).arg("--version").output().is_ok_and(|output| output.status.success()),
            fast_linker: FAST_LINKERS.into_iter().find(|name| toolchain::is_in_path(name)),
            linker_is_chosen: linker_is_chosen(folder),
            lambda: Toolchain::possible(),
            taken: PORTS.into_iter().filter(|port| is_taken(*port)).collect(),
            running: Running::around(folder).map(|running| running.pid),
            proxies: PROXIES
                .into_iter()
                .filter(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
                .collect(),
            files: getrlimit(Resource::Nofile).current,
            watches: number("/proc/sys/fs/inotify/max_user_watches"),
            free: statvfs(folder).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
            ahead: lock.as_deref().and_then(ahead),
            locked: lock.as_deref().map(locked).unwrap_or_default(),
        }
    }
}

fn printed(command: &mut Command) -> String {
    let output = command.output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// Returns the version in `rustc 1.95.0 (…)`.
fn version(printed: &str) -> Option<String> {
    printed.split_whitespace().nth(1).map(str::to_owned)
}

fn number(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn is_taken(port: u16) -> bool {
    let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    listening.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// Returns whether a configuration of cargo for this folder names a linker.
fn linker_is_chosen(folder: &Path) -> bool {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let above = folder.ancestors().map(|folder| folder.join(".cargo"));
    let texts =
        above.chain(home).filter_map(|folder| std::fs::read_to_string(folder.join("config.toml")).ok());
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    texts.chain([flags]).any(|text| text.contains("linker") || text.contains("fuse-ld"))
}

/// Returns by how much a file is in the future.
fn ahead(file: &Path) -> Option<Duration> {
    let changed = std::fs::metadata(file).ok()?.modified().ok()?;
    changed.duration_since(SystemTime::now()).ok()
}

/// Returns the versions of our crates in a lock file.
fn locked(file: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let value = |line: &str, key: &str| {
        Some(line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned())
    };
    let pairs =
        lines.windows(2).filter_map(|pair| Some((value(pair[0], "name")?, value(pair[1], "version")?)));
    pairs.filter(|(name, _)| ["eg-runtime", "eg-sdk"].contains(&name.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_our_crates_are_read_from_the_lock_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("Cargo.lock");
        let text = "version = 4\n\n[[package]]\nname = \"eg-sdk\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"eg-sdk-x\"\nversion = \"1.0.0\"\n";
        std::fs::write(&file, text).unwrap();
        assert_eq!(locked(&file), BTreeMap::from([("eg-sdk".to_owned(), "0.1.0".to_owned())]));
        assert_eq!(ahead(&file), None);
        let future = SystemTime::now() + Duration::from_secs(7_200);
        std::fs::File::options().write(true).open(&file).unwrap().set_modified(future).unwrap();
        assert!(ahead(&file).unwrap() > Duration::from_secs(7_000));
    }

    #[test]
    fn a_port_on_which_somebody_listens_is_taken() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_taken(port));
        drop(listener);
        assert!(!is_taken(port));
    }

    #[test]
    fn the_version_is_the_second_word() {
        assert_eq!(version("rustc 1.95.0 (59807616e 2026-04-14)").as_deref(), Some("1.95.0"));
        assert_eq!(version(""), None);
    }
}
