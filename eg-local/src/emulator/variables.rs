//! Decides the environment variables of a function process: the caller's, extended and overridden by Lambda's. Does
//! not read the environment itself.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use eg_grammar::variable::{EVENT_BUS, FAILURES_QUEUE, SECRETS};

use super::FunctionSpec;
use super::arn::{LATEST, REGION};

/// Variables of the caller that would change a function or the destination of its events.
const WITHHELD: [&str; 5] = ["PORT", EVENT_BUS, FAILURES_QUEUE, SECRETS, "EG_DATA_DIR"];

/// Prefixes of variables that belong to AWS, to cargo or to the project's own settings.
const WITHHELD_PREFIXES: [&str; 6] = ["AWS_", "_", "LAMBDA_", "CARGO", "EVENT_GATEWAY_", "RUSTUP_"];

/// The exception: endpoints of local replacements for AWS services. Functions get no credentials for the real
/// services.
const ENDPOINTS: &str = "AWS_ENDPOINT_URL_";

/// The hosts that functions call directly, also where a proxy is set: their Runtime API, the gateway and the queues.
const DIRECT: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The two spellings of the variable with such hosts. Programs read one or the other.
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// Returns the variables of a process of `spec`: the caller's environment (including `RUST_LOG` and the application's
/// settings) without AWS credentials and settings, cargo's variables and this project's own; then Lambda's variables;
/// then those of the spec.
pub(super) fn variables(
    spec: &FunctionSpec,
    runtime_api: &str,
    log_stream: &str,
    caller: impl Iterator<Item = (OsString, OsString)>,
) -> BTreeMap<OsString, OsString> {
    let memory = spec.memory_mb.to_string();
    let log_group = format!("/aws/lambda/{}", spec.id);
    let lambda: [(&str, &OsStr); 14] = [
        ("AWS_LAMBDA_RUNTIME_API", runtime_api.as_ref()),
        ("_HANDLER", spec.handler.as_ref()),
        ("AWS_LAMBDA_FUNCTION_NAME", spec.id.as_ref()),
        ("AWS_LAMBDA_FUNCTION_VERSION", LATEST.as_ref()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory.as_ref()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", log_group.as_ref()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", log_stream.as_ref()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".as_ref()),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".as_ref()),
        ("AWS_REGION", REGION.as_ref()),
        ("AWS_DEFAULT_REGION", REGION.as_ref()),
        ("LAMBDA_TASK_ROOT", spec.root.as_os_str()),
        ("LAMBDA_RUNTIME_DIR", spec.root.as_os_str()),
        ("TZ", ":UTC".as_ref()),
    ];
    let caller: BTreeMap<OsString, OsString> = caller.filter(|(name, _)| !is_withheld(name)).collect();
    let direct = direct(&caller);
    caller
        .into_iter()
        .chain(direct)
        .chain(lambda.into_iter().map(|(name, value)| (name.into(), value.to_owned())))
        .chain(spec.variables.iter().map(|(name, value)| (name.into(), value.clone())))
        .collect()
}

/// Returns the variables that keep calls of this machine away from the caller's proxy, if there is one.
fn direct(caller: &BTreeMap<OsString, OsString>) -> Vec<(OsString, OsString)> {
    let is_proxy = |name: &OsString| {
        let name = name.to_str().map(str::to_ascii_uppercase);
        name.is_some_and(|name| matches!(&*name, "HTTP_PROXY" | "HTTPS_PROXY" | "ALL_PROXY"))
    };
    if !caller.keys().any(is_proxy) {
        return Vec::new();
    }
    let named = NO_PROXY.iter().find_map(|name| caller.get(OsStr::new(name)));
    let named = named.map(|hosts| hosts.to_string_lossy().into_owned());
    let hosts = named.into_iter().filter(|hosts| !hosts.is_empty()).chain(DIRECT.map(str::to_owned));
    let hosts = hosts.collect::<Vec<_>>().join(",");
    NO_PROXY.map(|name| (name.into(), hosts.clone().into())).into()
}

fn is_withheld(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| {
        let prefixed = WITHHELD_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        WITHHELD.contains(&name) || prefixed && !name.starts_with(ENDPOINTS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_caller(name: &str) -> Option<String> {
        let spec = FunctionSpec::new("users-create", "/bin/users")
            .handler("create")
            .variable("EVENT_GATEWAY_URL", "http://127.0.0.1:4000");
        let caller = [(name.into(), "caller's".into())].into_iter();
        variables(&spec, "127.0.0.1:1", "stream", caller)
            .get(OsStr::new(name))
            .map(|value| value.to_str().unwrap().to_owned())
    }

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        assert_eq!(of_caller(name).as_deref(), expected, "{name}");
    }

    #[test]
    fn a_function_sees_the_callers_environment_but_no_credentials() {
        check("PATH", Some("caller's"));
        check("RUST_LOG", Some("caller's"));
        check("DATABASE_URL", Some("caller's"));
        check("AWS_SECRET_ACCESS_KEY", None);
        check("AWS_PROFILE", None);
        check("AWS_ENDPOINT_URL_DYNAMODB", Some("caller's"));
        check("AWS_ENDPOINT_URL", None);
        check("CARGO_MANIFEST_DIR", None);
        check("CARGO", None);
        check("PORT", None);
        check("EVENT_BUS", None);
        check("EVENT_FAILURES_QUEUE", None);
        check("EG_SECRETS", None);
        check("EG_DATA_DIR", None);
        check("EVENT_GATEWAY_SPACE", None);
    }

    #[test]
    fn a_proxy_of_the_caller_is_not_for_this_machine() {
        let direct = |caller: &[(&str, &str)], name: &str| {
            let caller = caller.iter().map(|(name, value)| (name.into(), value.into()));
            let variables = variables(&FunctionSpec::new("f", "/f"), "", "", caller);
            variables.get(OsStr::new(name)).map(|value| value.to_str().unwrap().to_owned())
        };
        for name in NO_PROXY {
            assert_eq!(direct(&[], name), None);
            for proxy in ["HTTP_PROXY", "https_proxy", "ALL_PROXY"] {
                let proxy = (proxy, "http://proxy:3128");
                assert_eq!(direct(&[proxy], name).unwrap(), "localhost,127.0.0.1,::1");
                let named = direct(&[proxy, ("no_proxy", ".corp.example")], name).unwrap();
                assert_eq!(named, ".corp.example,localhost,127.0.0.1,::1");
            }
        }
        assert_eq!(
            direct(&[("HTTP_PROXY", "http://proxy:3128")], "HTTP_PROXY").unwrap(),
            "http://proxy:3128"
        );
    }

    #[test]
    fn lambdas_and_the_specs_variables_win() {
        check("AWS_LAMBDA_RUNTIME_API", Some("127.0.0.1:1"));
        check("_HANDLER", Some("create"));
        check("AWS_LAMBDA_FUNCTION_NAME", Some("users-create"));
        check("AWS_REGION", Some("us-east-1"));
        check("TZ", Some(":UTC"));
        check("EVENT_GATEWAY_URL", Some("http://127.0.0.1:4000"));
    }
}
