//! Reads the secrets that `EG_SECRETS` names before `main` begins, and starts the program again with their values as variables.
//! Leaves the calls of AWS to the SDK, and the meaning of the variables to the program.
//!
//! A variable must not be set while other threads may read the environment, and `#[tokio::main]` starts threads before the
//! first line of `main`. So a constructor of the program, which runs while there is one thread, reads the values and replaces
//! the process by the same program with another environment. It sets no variable and never returns to `main`. Without
//! `EG_SECRETS`, it does nothing.

use std::env;

use eg_grammar::variable::SECRETS;

/// Why a program cannot start with the secrets that its environment names.
#[derive(Debug, thiserror::Error)]
#[error(
    "{SECRETS} names secrets, and this program was built without the feature `secrets` of eg-runtime; build it with \
     `cargo eg build --stage STAGE` for a stage with secrets, or enable the feature"
)]
pub(crate) struct Unsupported;

/// Checks that no secrets are left to be read.
///
/// # Errors
/// If there are: this program has no constructor that reads them.
pub(crate) fn check() -> Result<(), Unsupported> {
    if is_set() { Err(Unsupported) } else { Ok(()) }
}

fn is_set() -> bool {
    env::var_os(SECRETS).is_some_and(|names| !names.is_empty())
}

#[cfg(all(feature = "secrets", unix))]
mod reading {
    use std::collections::BTreeMap;
    use std::convert::Infallible;
    use std::env;
    use std::ffi::OsString;
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, exit};

    use eg_grammar::SecretReference;
    use eg_grammar::variable::SECRETS;
    use eg_sdk::__private::{Secrets, Unread};

    use crate::log::{self, Level};
    use crate::start::{self, RUNTIME_API};

    /// Runs before `main`, as the libraries of a program may.
    #[used]
    #[expect(
        unsafe_code,
        reason = "the section has functions of this type; this one does nothing that needs `main`"
    )]
    #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
    #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
    static BEFORE_MAIN: extern "C" fn() = before_main;

    /// Why the program cannot start.
    #[derive(Debug, thiserror::Error)]
    enum Failed {
        #[error("{SECRETS} is not a JSON object with the names of variables and references to secrets")]
        Names,
        #[error("{SECRETS}: {0:?} cannot name a variable with a secret")]
        Name(String),
        #[error("{SECRETS}: `{0}`: {1}")]
        Reference(String, eg_grammar::Mistake),
        #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
        Unread(Vec<Unread>),
        #[error("cannot start the program again with its secrets: {0}")]
        Restart(#[from] std::io::Error),
    }

    extern "C" fn before_main() {
        if !super::is_set() {
            return;
        }
        let Err(failed) = restart();
        let message = failed.to_string();
        log::print(Level::Fatal, &message);
        if let Some(endpoint) = env::var(RUNTIME_API).ok().filter(|endpoint| !endpoint.is_empty()) {
            // The message is on stderr as well, so a failed report loses nothing.
            let _ = start::report(&endpoint, &message);
        }
        exit(1);
    }

    /// Replaces the process by the same program, with the values of its secrets as variables.
    fn restart() -> Result<Infallible, Failed> {
        let references = references(&env::var(SECRETS).unwrap_or_default())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let values = runtime.block_on(Secrets::from_env().read(&references)).map_err(Failed::Unread)?;
        let mut arguments = arguments().into_iter();
        let mut program = Command::new(env::current_exe()?);
        if let Some(name) = arguments.next() {
            program.arg0(name);
        }
        program.args(arguments);
        program.envs(values.iter().map(|(name, value)| (name, value.expose()))).env_remove(SECRETS);
        Err(program.exec().into())
    }

    /// Returns the arguments of the process, the first of which is its name.
    fn arguments() -> Vec<OsString> {
        let arguments: Vec<OsString> = env::args_os().collect();
        // The standard library has none before `main` with some C libraries, such as musl.
        #[cfg(target_os = "linux")]
        if arguments.is_empty() {
            return split(&std::fs::read("/proc/self/cmdline").unwrap_or_default());
        }
        arguments
    }

    /// Splits arguments, each of which ends with a NUL byte.
    #[cfg(target_os = "linux")]
    fn split(line: &[u8]) -> Vec<OsString> {
        use std::os::unix::ffi::OsStringExt as _;

        let Some(line) = line.strip_suffix(b"\0") else { return Vec::new() };
        line.split(|byte| *byte == 0).map(|argument| OsString::from_vec(argument.to_vec())).collect()
    }

    /// Reads the value of `EG_SECRETS`. A message does not repeat what it contains instead of a reference.
    fn references(text: &str) -> Result<BTreeMap<String, SecretReference>, Failed> {
        let texts: BTreeMap<String, String> = serde_json::from_str(text).map_err(|_| Failed::Names)?;
        let is_name = |name: &str| name != SECRETS && !name.is_empty() && !name.contains(['=', '\0']);
        let read = |(name, text): (String, String)| match text.parse() {
            _ if !is_name(&name) => Err(Failed::Name(name)),
            Ok(reference) => Ok((name, reference)),
            Err(mistake) => Err(Failed::Reference(name, mistake)),
        };
        texts.into_iter().map(read).collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        #[cfg(target_os = "linux")]
        fn arguments_from_the_system_are_those_of_the_process() {
            assert_eq!(split(b"program\0--one\0two words\0\0"), ["program", "--one", "two words", ""]);
            assert_eq!(split(b""), [""; 0]);
            let own: Vec<OsString> = env::args_os().collect();
            assert_eq!(split(&std::fs::read("/proc/self/cmdline").unwrap()), own);
        }

        #[test]
        fn references_of_a_deployment() {
            let read = references(r#"{"API_KEY":"ssm:/shop/api-key","BANK":"secretsmanager:bank#password"}"#)
                .unwrap();
            let texts: Vec<String> =
                read.iter().map(|(name, reference)| format!("{name}={reference}")).collect();
            assert_eq!(texts, ["API_KEY=ssm:/shop/api-key", "BANK=secretsmanager:bank#password"]);
            for (text, begin) in [
                ("hunter2", "EG_SECRETS is not a JSON object"),
                ("[\"hunter2\"]", "EG_SECRETS is not a JSON object"),
                ("{\"KEY\":7}", "EG_SECRETS is not a JSON object"),
                ("{\"KEY\":\"hunter2\"}", "EG_SECRETS: `KEY`: write where the secret is kept"),
                ("{\"\":\"ssm:/a\"}", "EG_SECRETS: \"\" cannot name a variable with a secret"),
                ("{\"A=B\":\"ssm:/a\"}", "EG_SECRETS: \"A=B\" cannot name a variable"),
                ("{\"A\\u0000\":\"ssm:/a\"}", "EG_SECRETS: \"A\\0\" cannot name a variable"),
                // It would start the program again and again.
                ("{\"EG_SECRETS\":\"ssm:/a\"}", "EG_SECRETS: \"EG_SECRETS\" cannot name a variable"),
            ] {
                let message = references(text).unwrap_err().to_string();
                assert!(message.starts_with(begin) && !message.contains("hunter2"), "{message}");
            }
        }
    }
}
