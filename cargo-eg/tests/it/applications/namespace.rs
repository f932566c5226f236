//! Runs a test again in namespaces of its own. There is no network interface but the loopback one, because AWS's emulator of the
//! Runtime API listens on every interface; and what a test writes into the folder of an application stays out of the repository.

use std::fs::File;
use std::process::Command;

/// Is set in the process inside.
const INSIDE: &str = "EG_TEST_NAMESPACE";

/// Starts the loopback interface, covers a folder with one that takes its changes, and then starts a program.
const ENTER: &str = r#"
import fcntl, os, socket, struct, subprocess, sys
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))
covered, changes = sys.argv[1:3]
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", changes], check=True)
os.mkdir(f"{changes}/files")
os.mkdir(f"{changes}/work")
options = f"lowerdir={covered},upperdir={changes}/files,workdir={changes}/work"
subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, covered], check=True)
os.execvp(sys.argv[3], sys.argv[3:])
"#;

/// The ways into namespaces: of root, and of other users where the system lets them.
const WAYS: [&[&str]; 2] = [&["--net", "--mount"], &["--net", "--mount", "--user", "--map-root-user"]];

/// Whether this process is inside, where there are no interfaces but the loopback one.
///
/// # Panics
/// If there are others.
pub(super) fn is_inside() -> bool {
    if std::env::var_os(INSIDE).is_none() {
        return false;
    }
    let text = std::fs::read_to_string("/proc/net/dev").unwrap();
    let interfaces = text.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim);
    assert_eq!(interfaces.collect::<Vec<_>>(), ["lo"], "the interfaces of the namespace");
    true
}

/// Runs the test with this name inside, and fails as it does. Prints a note if this machine has no namespaces.
pub(super) fn enter(test: &str) {
    // Installed here, because there is no network inside.
    let Some(python) = eg_tests::python::environment() else { return };
    let _ = eg_tests::python::lambda_emulator();
    // One after the other: they write to the same folder of artifacts.
    let turn = File::create(super::target().join("tmp/applications.lock")).unwrap();
    turn.lock().unwrap();
    let changes = tempfile::tempdir().unwrap();
    let inside = |way: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(way).arg("--").arg(python.join("bin/python")).args(["-c", ENTER]);
        command.arg(super::workspace().join("services")).arg(changes.path());
        command
    };
    let works = |way: &&[&str]| inside(way).arg("true").output().is_ok_and(|output| output.status.success());
    let Some(way) = WAYS.into_iter().find(works) else {
        let message =
            "`unshare --net --mount` gives no namespaces here, and AWS's emulator listens on every interface";
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{message}");
        eprintln!("skipped: {message}");
        return;
    };
    let mut command = inside(way);
    command.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--include-ignored", "--nocapture"]);
    let status = command.env(INSIDE, "yes").status().unwrap();
    assert!(status.success(), "{test} failed: its output is above");
}
