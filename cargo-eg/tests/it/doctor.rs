//! Tests `cargo eg doctor` on this machine, and on one without tools.

use std::process::Command;

use serde_json::Value;

fn doctor(path: Option<&str>, folder: &std::path::Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-eg"));
    command.args(["eg", "doctor"]).args(arguments).current_dir(folder).env_remove("RUSTC").env_remove("CC");
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn this_machine_can_build() {
    let folder = tempfile::tempdir().unwrap();
    let (code, shown) = doctor(None, folder.path(), &[]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("  Rust  ") && shown.contains("  a C compiler is there\n"), "{shown}");
    let (code, lines) = doctor(None, folder.path(), &["--json"]);
    assert_eq!(code, Some(0));
    let findings: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        findings.iter().any(|finding| finding["about"] == "Rust" && finding["level"] == "good"),
        "{lines}"
    );
    assert!(
        findings.iter().all(|finding| (finding["level"] == "good") == finding["fix"].is_null()),
        "{lines}"
    );
}

#[test]
fn what_is_missing_is_named_with_its_fix() {
    let folder = tempfile::tempdir().unwrap();
    let lock = "[[package]]\nname = \"eg-runtime\"\nversion = \"0.9.3\"\n";
    std::fs::write(folder.path().join("Cargo.lock"), lock).unwrap();
    let (code, shown) = doctor(Some("/nonexistent"), folder.path(), &[]);
    assert_eq!(code, Some(1), "{shown}");
    for expected in [
        "error    Rust        `rustc` does not start\n",
        "  install Rust: https://rustup.rs\n",
        "error    C compiler  there is no C compiler, and SQLite needs one\n",
        "warning  versions    eg-runtime is 0.9.3, and this is cargo-eg ",
    ] {
        assert!(shown.contains(expected), "{expected} in {shown}");
    }
}
