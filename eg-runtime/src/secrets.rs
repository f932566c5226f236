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
    "{SECRETS} names secrets, and this program was built without the feature `secrets` of eg-runtime; turn it on"
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
        let mut arguments = env::args_os();
        let mut program = Command::new(env::current_exe()?);
        if let Some(name) = arguments.next() {
            program.arg0(name);
        }
        program.args(arguments).env_remove(SECRETS);
        program.envs(values.iter().map(|(name, value)| (name, value.expose())));
        Err(program.exec().into())
    }

    /// Reads the value of `EG_SECRETS`. A message does not repeat what it contains instead of a reference.
    fn references(text: &str) -> Result<BTreeMap<String, SecretReference>, Failed> {
        let texts: BTreeMap<String, String> = serde_json::from_str(text).map_err(|_| Failed::Names)?;
        let read = |(name, text): (String, String)| match text.parse() {
            Ok(reference) => Ok((name, reference)),
            Err(mistake) => Err(Failed::Reference(name, mistake)),
        };
        texts.into_iter().map(read).collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

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
            ] {
                let message = references(text).unwrap_err().to_string();
                assert!(message.starts_with(begin) && !message.contains("hunter2"), "{message}");
            }
        }
    }
}
