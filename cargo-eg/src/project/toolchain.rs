//! Decides for which of Lambda's processors programs are built, and with which tools, from what is installed. Running cargo
//! is left to `builder`.

use std::env;
use std::path::Path;
use std::process::Command;

use crate::exit::{Exit, Failure};

use super::cargo;

/// The version of glibc in Lambda's runtime `provided.al2023`, major and minor number. Programs may require this one at most.
pub(crate) const GLIBC: (u32, u32) = (2, 34);

/// A processor architecture of Lambda.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    Arm64,
    X86_64,
}

/// The tools that build for one of Lambda's processors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Toolchain {
    pub(crate) machine: Machine,
    /// The subcommand of cargo.
    pub(super) subcommand: &'static str,
    /// The value of `--target`.
    pub(super) target: String,
    /// A variable that names the linker, and its value, unless cargo finds the linker itself.
    pub(super) linker: Option<(String, &'static str)>,
}

/// What is installed on this machine.
struct Installed<'a> {
    /// The target of the compiler itself.
    host: String,
    /// Whether the standard library for a target is there.
    has_library: &'a dyn Fn(&str) -> bool,
    /// Whether a program is in one of the folders of `PATH`.
    has_program: &'a dyn Fn(&str) -> bool,
    /// Whether a variable of the environment is set.
    has_variable: &'a dyn Fn(&str) -> bool,
}

/// Why programs cannot be built for a processor: what is missing, and the command that installs it.
#[derive(Debug, PartialEq, Eq)]
struct Missing {
    what: String,
    command: String,
}

impl Machine {
    /// Returns the name that Lambda has for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    /// Returns the compiler's name for it.
    fn cpu(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64",
            Self::X86_64 => "x86_64",
        }
    }

    fn target(self) -> String {
        format!("{}-unknown-linux-gnu", self.cpu())
    }
}

impl Toolchain {
    /// Returns the tools for the processor that the user asked for or else, if it can be built for, arm64, which costs less on
    /// Lambda. Also returns a note if arm64 was out of reach.
    pub(crate) fn find(asked: Option<Machine>) -> Result<(Self, Option<String>), Failure> {
        Self::look(asked)?.map_err(|Missing { what, command }| {
            Failure::new(Exit::Build, what).hint(format!("`{command}` installs it"))
        })
    }

    /// Returns the processor for which programs can be built here; or what is missing, and the command that installs it. `None`
    /// if there is no compiler.
    pub(crate) fn possible() -> Option<Result<&'static str, (String, String)>> {
        let found = Self::look(None).ok()?;
        Some(
            found.map(|(tools, _)| tools.machine.name()).map_err(|Missing { what, command }| (what, command)),
        )
    }

    fn look(asked: Option<Machine>) -> Result<Result<(Self, Option<String>), Missing>, Failure> {
        let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = |arguments: &[&str]| {
            let output = Command::new(&compiler).args(arguments).output().map_err(|e| cargo::missing(&e))?;
            Ok::<_, Failure>(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let version = output(&["-vV"])?;
        let host =
            version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
        let has_library = |target: &str| {
            output(&["--print", "target-libdir", "--target", target])
                .is_ok_and(|folder| !folder.is_empty() && Path::new(&folder).is_dir())
        };
        let installed = Installed {
            host,
            has_library: &has_library,
            has_program: &is_in_path,
            has_variable: &|name| env::var_os(name).is_some(),
        };
        Ok(choose(&installed, asked))
    }
}

/// Returns whether a program is in one of the folders of `PATH`.
pub(crate) fn is_in_path(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

fn choose(installed: &Installed<'_>, asked: Option<Machine>) -> Result<(Toolchain, Option<String>), Missing> {
    if let Some(machine) = asked {
        return tools(installed, machine).map(|tools| (tools, None));
    }
    let missing = match tools(installed, Machine::Arm64) {
        Ok(tools) => return Ok((tools, None)),
        Err(missing) => missing,
    };
    match tools(installed, Machine::X86_64) {
        Ok(tools) => {
            let Missing { what, command } = missing;
            Ok((
                tools,
                Some(format!("built for x86_64; arm64 costs less on Lambda, but {what}: `{command}`")),
            ))
        }
        Err(_) => Err(missing),
    }
}

/// Returns the tools that build for a processor.
fn tools(installed: &Installed<'_>, machine: Machine) -> Result<Toolchain, Missing> {
    let target = machine.target();
    if !(installed.has_library)(&target) {
        let command = format!("rustup target add {target}");
        return Err(Missing {
            what: format!("Rust's standard library for {target} is not installed"),
            command,
        });
    }
    if (installed.has_program)("cargo-zigbuild") {
        // Zig links against the glibc of that version, whatever this machine has.
        let (major, minor) = GLIBC;
        let target = format!("{target}.{major}.{minor}");
        return Ok(Toolchain { machine, subcommand: "zigbuild", target, linker: None });
    }
    let plain = |linker| Toolchain { machine, subcommand: "build", target: target.clone(), linker };
    let variable = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
    if installed.host == target || (installed.has_variable)(&variable) {
        return Ok(plain(None));
    }
    let linker = match machine {
        Machine::Arm64 => "aarch64-linux-gnu-gcc",
        Machine::X86_64 => "x86_64-linux-gnu-gcc",
    };
    if (installed.has_program)(linker) {
        return Ok(plain(Some((variable, linker))));
    }
    let what =
        format!("nothing here links programs for {target}: neither cargo-zigbuild nor {linker} is installed");
    Err(Missing { what, command: "pip install cargo-zigbuild".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINUX: &str = "x86_64-unknown-linux-gnu";
    const ARM: &str = "aarch64-unknown-linux-gnu";

    fn on(
        host: &str,
        there: &'static [&'static str],
        asked: Option<Machine>,
    ) -> Result<(Toolchain, Option<String>), Missing> {
        let has = |name: &str| there.contains(&name);
        let host = host.to_owned();
        choose(&Installed { host, has_library: &has, has_program: &has, has_variable: &has }, asked)
    }

    /// Asserts the machine, the subcommand and the target of what is chosen.
    #[track_caller]
    fn check(
        host: &str,
        there: &'static [&'static str],
        asked: Option<Machine>,
        expected: &str,
    ) -> Toolchain {
        let (tools, _) = on(host, there, asked).unwrap();
        assert_eq!(format!("{} {} {}", tools.machine.name(), tools.subcommand, tools.target), expected);
        tools
    }

    #[test]
    fn arm64_is_built_where_its_target_and_a_linker_are() {
        check(ARM, &[ARM], None, "arm64 build aarch64-unknown-linux-gnu");
        check(LINUX, &[LINUX], None, "x86_64 build x86_64-unknown-linux-gnu");
        check(LINUX, &[LINUX, ARM], None, "x86_64 build x86_64-unknown-linux-gnu");
        check(LINUX, &[LINUX, ARM, "cargo-zigbuild"], None, "arm64 zigbuild aarch64-unknown-linux-gnu.2.34");
        let tools = check(
            LINUX,
            &[LINUX, ARM, "aarch64-linux-gnu-gcc"],
            None,
            "arm64 build aarch64-unknown-linux-gnu",
        );
        let variable = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER";
        assert_eq!(tools.linker, Some((variable.to_owned(), "aarch64-linux-gnu-gcc")));
        let set = [LINUX, ARM, "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER"];
        let there: &'static [&'static str] = Vec::leak(set.to_vec());
        assert_eq!(check(LINUX, there, None, "arm64 build aarch64-unknown-linux-gnu").linker, None);
    }

    #[test]
    fn the_processor_that_is_asked_for_is_built_or_refused() {
        check(
            LINUX,
            &[LINUX, ARM, "cargo-zigbuild"],
            Some(Machine::X86_64),
            "x86_64 zigbuild x86_64-unknown-linux-gnu.2.34",
        );
        let refused = |there, asked| on("aarch64-apple-darwin", there, asked).unwrap_err();
        assert_eq!(refused(&[], Some(Machine::X86_64)).command, "rustup target add x86_64-unknown-linux-gnu");
        assert_eq!(refused(&[], None).command, "rustup target add aarch64-unknown-linux-gnu");
        assert_eq!(refused(&[ARM], None).command, "pip install cargo-zigbuild");
    }

    #[test]
    fn a_note_says_what_is_missing_for_arm64() {
        let note = |there| on(LINUX, there, None).unwrap().1.unwrap();
        assert!(note(&[LINUX]).ends_with("`rustup target add aarch64-unknown-linux-gnu`"));
        assert!(note(&[LINUX, ARM]).ends_with("`pip install cargo-zigbuild`"));
    }
}
