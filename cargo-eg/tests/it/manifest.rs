//! Tests the manifests of real programs, and the errors for other files.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::app::{App, Main, record};
use crate::support::example;
use eg_sdk::manifest::{Manifest, ManifestError};
use serde_json::json;

#[test]
fn a_programs_manifest_is_read_without_running_it() {
    let manifest = Manifest::read(&example("fixture")).unwrap();
    let expected = json!({
        "service": "fixture",
        "version": "0.3.0",
        "functions": [
            {
                "name": "first", "id": "fixture-first", "doc": "The first.", "source": "src/main.rs:9",
                "triggers": [{
                    "eventType": "http.request", "mode": "sync", "method": "GET", "path": "/first/:id",
                    "cors": {"origins": ["*"], "methods": [], "headers": [], "credentials": false}
                }],
                "emits": ["a.b"],
                "later": {"key": 1}
            },
            {
                "name": "second", "id": "fixture-second", "source": "src/main.rs:20",
                "triggers": [{"eventType": "a.b", "mode": "async", "method": "POST", "path": "/"}],
                "emits": []
            }
        ]
    });
    assert_eq!(serde_json::to_value(manifest).unwrap(), expected);
}

#[test]
fn a_stripped_program_still_has_its_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let stripped = folder.path().join("function");
    let status = Command::new("strip").arg("-o").arg(&stripped).arg(example("fixture")).status();
    assert!(status.expect("strip belongs to the C toolchain that rustc links with").success());
    assert_eq!(Manifest::read(&stripped).unwrap().functions.len(), 2);
}

#[test]
fn programs_for_other_machines_are_read_as_well() {
    use object::write::Object;
    use object::{Architecture, BinaryFormat, Endianness, SectionKind};
    let folder = tempfile::tempdir().unwrap();
    let records = b"{\"package\":\"far\",\"version\":\"1.0.0\",\"name\":\"f\",\"source\":\"f.rs:1\",\"triggers\":[]}\n\0\0";
    for (format, machine, order, segment, section) in [
        (BinaryFormat::Elf, Architecture::Aarch64, Endianness::Little, "", ".eg_manifest"),
        (BinaryFormat::Elf, Architecture::S390x, Endianness::Big, "", ".eg_manifest"),
        (BinaryFormat::Elf, Architecture::Arm, Endianness::Little, "", ".eg_manifest"),
        (BinaryFormat::MachO, Architecture::Aarch64, Endianness::Little, "__DATA", "__eg_manifest"),
        (BinaryFormat::MachO, Architecture::X86_64, Endianness::Little, "__DATA", "__eg_manifest"),
    ] {
        let mut program = Object::new(format, machine, order);
        let section = program.add_section(segment.into(), section.into(), SectionKind::Data);
        program.append_section_data(section, records, 1);
        let path = folder.path().join(format!("{format:?}-{machine:?}"));
        std::fs::write(&path, program.write().unwrap()).unwrap();
        let manifest = Manifest::read(&path).unwrap();
        assert_eq!(manifest.functions[0].id, "far-f", "{format:?} {machine:?}");
    }
}

/// Runs only if rustup has such a target; the formats above are always tested.
#[test]
fn a_cross_compiled_stripped_program_is_read() {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap().stdout;
    let targets = Path::new(std::str::from_utf8(&sysroot).unwrap().trim()).join("lib/rustlib");
    let app = App::new();
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Serves);
    for target in ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"] {
        if !targets.join(target).exists() {
            continue;
        }
        let program = app.path().join(target);
        let status = Command::new("rustc")
            .args(["--edition", "2024", "--target", target, "-C", "strip=symbols"])
            .args(["-C", "linker=rust-lld", "-C", "link-self-contained=yes", "-o"])
            .args([&program, &app.path().join("services/shop/src/main.rs")])
            .status()
            .unwrap();
        assert!(status.success(), "{target}");
        let manifest = app.eg(&["manifest", target, "--json"]);
        let manifest: Manifest = serde_json::from_str(&manifest.stdout).unwrap();
        assert_eq!(manifest.functions[0].id, "shop-list", "{target}");
    }
}

/// The variables that `cargo run` sets for its package do not reach the build scripts of other packages.
#[test]
fn nothing_is_built_again_because_cargo_started_the_program() {
    let app = App::new();
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Serves);
    let builds = app.path().join("builds");
    let script = format!(
        r#"fn main() {{
    println!("cargo::rerun-if-env-changed=CARGO_MANIFEST_DIR");
    println!("cargo::rerun-if-env-changed=CARGO_PKG_NAME");
    let builds = std::fs::OpenOptions::new().create(true).append(true).open({builds:?});
    std::io::Write::write_all(&mut builds.unwrap(), b"once ").unwrap();
}}
"#
    );
    app.write("services/shop/build.rs", &script);
    for started_by_cargo in [true, false] {
        let mut command = app.command(&["manifest", "services/shop"]);
        for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME"] {
            if started_by_cargo {
                command.env(name, "cargo-eg");
            } else {
                command.env_remove(name);
            }
        }
        assert!(command.status().unwrap().success());
    }
    assert_eq!(std::fs::read_to_string(builds).unwrap(), "once ");
}

#[test]
fn a_program_without_functions_is_told_how_to_get_some() {
    // This test itself is a program without functions.
    let program = std::env::current_exe().unwrap();
    let error = Manifest::read(&program).unwrap_err();
    assert_eq!(error.to_string(), format!("no functions in {}", program.display()));
    let hint = error.hint().unwrap();
    assert!(hint.contains("#[subscribe]") && hint.contains("use my_functions as _;"), "{hint}");
}

#[test]
fn files_that_are_no_programs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let check = |path: &Path, expected: fn(&ManifestError) -> bool| {
        let error = Manifest::read(path).unwrap_err();
        assert!(expected(&error), "{error:?}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    };
    let not_a_program = |error: &ManifestError| matches!(error, ManifestError::NotAProgram { .. });
    let unreadable = |error: &ManifestError| matches!(error, ManifestError::Unreadable { .. });
    check(&file("empty", b""), not_a_program);
    check(&file("script", b"#!/bin/sh\necho {}\n"), not_a_program);
    let program = std::fs::read(example("fixture")).unwrap();
    check(&file("beginning", &program[..100]), not_a_program);
    check(&folder.path().join("missing"), unreadable);
    check(folder.path(), unreadable);
}

#[test]
fn a_damaged_record_is_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("function");
    let mut program = std::fs::read(example("fixture")).unwrap();
    let record = b"{\"package\":\"fixture\"";
    let place = program.windows(record.len()).position(|window| window == record).unwrap();
    program[place + 1] = b'!';
    std::fs::write(&path, program).unwrap();
    let error = Manifest::read(&path).unwrap_err().to_string();
    assert!(error.contains("cannot be read: {!package\":\"fixture\""), "{error}");
}
