//! What the facts about a machine mean, and what to do.

use std::time::Duration;

use super::machine::PORTS;
use super::{Finding, Level, Machine};

/// The free space that a first build needs, in bytes.
const BUILD: u64 = 4 << 30;

/// The number of files that a gateway and a few functions open.
const FILES: u64 = 1_024;

/// The number of files that a large workspace has.
const WATCHES: u64 = 8_192;

/// How far files may be in the future: file systems and virtual machines differ a little.
const TOLERANCE: Duration = Duration::from_secs(60);

/// Returns what is found about each thing, in the order in which people would look.
pub(super) fn all(machine: &Machine) -> Vec<Finding> {
    let findings = [
        Some(rust(machine)),
        Some(compiler(machine)),
        linker(machine),
        lambda(machine),
        Some(ports(machine)),
        proxies(machine),
        files(machine),
        watches(machine),
        disk(machine),
        clock(machine),
        versions(machine),
    ];
    findings.into_iter().flatten().collect()
}

fn rust(machine: &Machine) -> Finding {
    const NEEDED: &str = env!("CARGO_PKG_RUST_VERSION");
    let Some(version) = &machine.rustc else {
        return Finding::bad(
            "Rust",
            Level::Error,
            "`rustc` does not start",
            "install Rust: https://rustup.rs",
        );
    };
    let numbers = |version: &str| -> Vec<u32> {
        version.split(['.', '-']).take(3).map_while(|part| part.parse().ok()).collect()
    };
    if numbers(version) < numbers(NEEDED) {
        let found = format!("Rust {version} is too old: {NEEDED} is needed");
        return Finding::bad("Rust", Level::Error, found, "`rustup update stable`");
    }
    Finding::good("Rust", format!("Rust {version}"))
}

fn compiler(machine: &Machine) -> Finding {
    if machine.cc {
        return Finding::good("C compiler", "a C compiler is there");
    }
    let fix = "install one: `apt-get install gcc`, `dnf install gcc`, or `xcode-select --install`";
    Finding::bad("C compiler", Level::Error, "there is no C compiler, and SQLite needs one", fix)
}

fn linker(machine: &Machine) -> Option<Finding> {
    let found = match (machine.linker_is_chosen, machine.fast_linker) {
        (true, _) => return Some(Finding::good("linker", "cargo is configured to use another linker")),
        (false, None) => return None,
        (false, Some(linker)) => linker.trim_start_matches("ld."),
    };
    let fix =
        format!("in .cargo/config.toml: `[build]` and `rustflags = [\"-C\", \"link-arg=-fuse-ld={found}\"]`");
    let text = format!("{found} is installed and not used: it shortens each build after a change");
    Some(Finding::bad("linker", Level::Note, text, fix))
}

fn lambda(machine: &Machine) -> Option<Finding> {
    Some(match machine.lambda.as_ref()? {
        Ok(machine) => Finding::good("Lambda", format!("`cargo eg build` can build for {machine}")),
        Err((why, fix)) => Finding::bad(
            "Lambda",
            Level::Note,
            format!("`cargo eg build` cannot build: {why}"),
            format!("`{fix}`"),
        ),
    })
}

fn ports(machine: &Machine) -> Finding {
    if let Some(process) = machine.running {
        return Finding::good("ports", format!("`cargo eg run` is running here, as process {process}"));
    }
    if machine.taken.is_empty() {
        return Finding::good("ports", format!("{} are free", list(&PORTS)));
    }
    let options = [(4000, "--port"), (4001, "--config-port"), (9001, "--lambda-port")];
    let options = options
        .into_iter()
        .filter(|(port, _)| machine.taken.contains(port))
        .map(|(_, option)| format!("{option} 0"));
    let found = format!("another program listens on {}", list(&machine.taken));
    let fix =
        format!("end it, or run on free ports: `cargo eg run {}`", options.collect::<Vec<_>>().join(" "));
    Finding::bad("ports", Level::Warning, found, fix)
}

fn list(ports: &[u16]) -> String {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    match ports.split_last() {
        Some((last, [])) => format!("port {last}"),
        Some((last, rest)) => format!("ports {} and {last}", rest.join(", ")),
        None => "no port".to_owned(),
    }
}

fn proxies(machine: &Machine) -> Option<Finding> {
    if machine.proxies.is_empty() {
        return None;
    }
    let found =
        format!("{} is set: functions reach other machines through that proxy", machine.proxies.join(", "));
    let fix = "`cargo eg` calls this machine directly; your functions do so if NO_PROXY contains localhost,127.0.0.1";
    Some(Finding::bad("proxy", Level::Note, found, fix))
}

fn files(machine: &Machine) -> Option<Finding> {
    let files = machine.files?;
    if files >= FILES {
        return Some(Finding::good("open files", format!("a process may open {files} files")));
    }
    let found = format!("a process may open {files} files, and a gateway under load needs more");
    Some(Finding::bad("open files", Level::Warning, found, format!("`ulimit -n {FILES}`")))
}

fn watches(machine: &Machine) -> Option<Finding> {
    let watches = machine.watches?;
    if watches >= WATCHES {
        return Some(Finding::good("watches", format!("{watches} files can be watched")));
    }
    let found = format!("only {watches} files can be watched, so `cargo eg run` may miss changes");
    Some(Finding::bad("watches", Level::Warning, found, "`sudo sysctl fs.inotify.max_user_watches=65536`"))
}

fn disk(machine: &Machine) -> Option<Finding> {
    let free = machine.free?;
    let text = format!("{} MiB are free here", free >> 20);
    if free >= BUILD {
        return Some(Finding::good("disk", text));
    }
    let fix = "free some space, or set CARGO_TARGET_DIR to a folder on another disk";
    Some(Finding::bad(
        "disk",
        Level::Warning,
        format!("only {text}, and a first build needs some 4 GiB"),
        fix,
    ))
}

fn clock(machine: &Machine) -> Option<Finding> {
    let ahead = machine.ahead.filter(|ahead| *ahead > TOLERANCE)?;
    let found = format!("Cargo.lock was changed {} s in the future, so the clock is behind", ahead.as_secs());
    Some(Finding::bad(
        "clock",
        Level::Warning,
        found,
        "set the clock: AWS refuses requests of a clock that is minutes off",
    ))
}

fn versions(machine: &Machine) -> Option<Finding> {
    const OWN: &str = env!("CARGO_PKG_VERSION");
    let other = machine.locked.iter().find(|(_, version)| !is_compatible(version, OWN));
    match other {
        Some((name, version)) => {
            let found =
                format!("{name} is {version}, and this is cargo-eg {OWN}: their manifests may differ");
            let fix = format!("`cargo update -p {name}`, or install the command line in version {version}");
            Some(Finding::bad("versions", Level::Warning, found, fix))
        }
        None if machine.locked.is_empty() => None,
        None => Some(Finding::good("versions", format!("the crates here fit cargo-eg {OWN}"))),
    }
}

/// Returns whether two versions may be used together, by cargo's rules.
fn is_compatible(a: &str, b: &str) -> bool {
    let leading = |version: &str| -> Vec<String> {
        let parts: Vec<String> = version.split('.').map(str::to_owned).collect();
        let count = parts.iter().take_while(|part| *part == "0").count() + 1;
        parts.into_iter().take(count).collect()
    };
    leading(a) == leading(b)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn healthy() -> Machine {
        Machine {
            rustc: Some("1.95.0".to_owned()),
            cc: true,
            lambda: Some(Ok("arm64")),
            files: Some(1_048_576),
            watches: Some(65_536),
            free: Some(100 << 30),
            locked: BTreeMap::from([("eg-sdk".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]),
            ..Machine::default()
        }
    }

    fn found(machine: &Machine, about: &str) -> (Level, String, String) {
        let finding = all(machine).into_iter().find(|finding| finding.about == about).unwrap();
        (finding.level, finding.found, finding.fix.unwrap_or_default())
    }

    #[test]
    fn a_healthy_machine_has_no_complaint() {
        let findings = all(&healthy());
        assert!(
            findings.iter().all(|finding| finding.level == Level::Good && finding.fix.is_none()),
            "{findings:?}"
        );
        assert_eq!(findings.len(), 8);
    }

    #[test]
    fn every_complaint_says_what_to_do() {
        let change = |change: fn(&mut Machine)| {
            let mut machine = healthy();
            change(&mut machine);
            machine
        };
        let cases: [(Machine, &str, Level, &str, &str); 13] = [
            (change(|m| m.rustc = None), "Rust", Level::Error, "`rustc` does not start", "rustup.rs"),
            (
                change(|m| m.rustc = Some("1.80.1".into())),
                "Rust",
                Level::Error,
                "Rust 1.80.1 is too old",
                "rustup update",
            ),
            (change(|m| m.cc = false), "C compiler", Level::Error, "SQLite needs one", "apt-get install gcc"),
            (
                change(|m| m.fast_linker = Some("ld.lld")),
                "linker",
                Level::Note,
                "lld is installed",
                "-fuse-ld=lld",
            ),
            (
                change(|m| m.lambda = Some(Err(("no library".into(), "rustup target add x".into())))),
                "Lambda",
                Level::Note,
                "cannot build: no library",
                "rustup target add x",
            ),
            (
                change(|m| m.taken = vec![4001]),
                "ports",
                Level::Warning,
                "listens on port 4001",
                "--config-port 0`",
            ),
            (
                change(|m| m.taken = PORTS.to_vec()),
                "ports",
                Level::Warning,
                "on ports 4000, 4001 and 9001",
                "--port 0 --config-port 0 --lambda-port 0",
            ),
            (
                change(|m| m.proxies = vec!["HTTP_PROXY"]),
                "proxy",
                Level::Note,
                "HTTP_PROXY is set",
                "NO_PROXY",
            ),
            (
                change(|m| m.files = Some(256)),
                "open files",
                Level::Warning,
                "may open 256 files",
                "ulimit -n 1024",
            ),
            (
                change(|m| m.watches = Some(100)),
                "watches",
                Level::Warning,
                "only 100 files",
                "max_user_watches",
            ),
            (
                change(|m| m.free = Some(1 << 30)),
                "disk",
                Level::Warning,
                "only 1024 MiB are free",
                "CARGO_TARGET_DIR",
            ),
            (
                change(|m| m.ahead = Some(Duration::from_secs(3_600))),
                "clock",
                Level::Warning,
                "3600 s in the future",
                "set the clock",
            ),
            (
                change(|m| m.locked = BTreeMap::from([("eg-runtime".into(), "0.9.3".into())])),
                "versions",
                Level::Warning,
                "eg-runtime is 0.9.3",
                "cargo update -p eg-runtime",
            ),
        ];
        for (machine, about, level, text, fix) in cases {
            let (found_level, found_text, found_fix) = found(&machine, about);
            assert_eq!(found_level, level, "{about}");
            assert!(
                found_text.contains(text) && found_fix.contains(fix),
                "{about}: {found_text} / {found_fix}"
            );
        }
        let running = change(|m| (m.taken, m.running) = (PORTS.to_vec(), Some(7)));
        assert_eq!(found(&running, "ports").0, Level::Good);
        assert_eq!(
            all(&change(|m| m.ahead = Some(Duration::from_secs(5)))).len(),
            8,
            "a file may be a little ahead"
        );
    }

    #[test]
    fn versions_fit_by_cargos_rules() {
        for (a, b, expected) in [
            ("0.1.0", "0.1.7", true),
            ("0.1.0", "0.2.0", false),
            ("1.0.0", "1.9.0", true),
            ("1.0.0", "2.0.0", false),
        ] {
            assert_eq!(is_compatible(a, b), expected, "{a} {b}");
        }
    }
}
