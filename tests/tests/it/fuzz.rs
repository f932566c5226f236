//! Checks that the fuzz targets of `tests/fuzz` compile, run and find nothing for the published payloads of all
//! senders and the seeds. Fuzzing itself is done by hand; see `tests/fuzz/Cargo.toml`.

#[path = "../../fuzz/src/lib.rs"]
#[allow(dead_code, unreachable_pub, unused_macros, reason = "the targets' programs are built by cargo-fuzz")]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cargo_metadata::MetadataCommand;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz"))
}

/// Returns the contents of the files in a folder.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| fs::read(path).unwrap())
        .collect()
}

#[test]
fn targets_find_nothing_in_the_published_payloads_and_the_seeds() {
    let metadata = MetadataCommand::new().exec().unwrap();
    let events = metadata.packages.iter().find(|package| package.name == "aws_lambda_events").unwrap();
    let mut inputs = files(&events.manifest_path.parent().unwrap().join("src/fixtures").into_std_path_buf());
    assert!(inputs.len() > 150, "{} published payloads", inputs.len());
    inputs.extend(files(&folder().join("seeds")));
    for (name, target) in targets::TARGETS {
        println!("{name}");
        for input in &inputs {
            target(input);
            // Truncated input occurs, too.
            target(&input[..input.len() / 2]);
        }
    }
}

#[test]
fn each_target_has_its_program() {
    let programs: BTreeSet<String> = fs::read_dir(folder().join("fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let targets: BTreeSet<String> = targets::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(programs, targets);
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for name in &targets {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is not built");
    }
}
