//! Turns services into function specifications for the emulator. Each has a version that changes with the function.
//! Starting them is left to `app`.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use eg_local::emulator::{ACCOUNT, FunctionSpec};
use eg_sdk::manifest::Function;

use crate::exit::{Exit, Failure};
use crate::project::declared::Program;
use crate::project::deploy::{Deploy, FunctionSettings, Value};
use crate::project::services::{Code, Service};
use crate::state::{State, create_folder};
use crate::watch::{fingerprint, of_file, program_files};

use super::secrets::Secrets;
use super::{local_aws, tables};

/// One function, ready to be started.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) spec: FunctionSpec,
    /// Changes whenever the function's program, settings or sources change.
    pub(crate) version: u64,
}

/// Returns the functions of `services` that have a program, each with `variables`. The local queues are at the URL `queues`. Binaries are linked or copied to
/// another folder first: a process that starts during a build must not find a half-written binary.
pub(crate) fn deployments(
    services: &[Service],
    state: &State,
    queues: &str,
    variables: &[(&str, &str)],
) -> Result<Vec<Deployment>, Failure> {
    let mut deployments = Vec::new();
    let mut secrets = Secrets::default();
    for service in services {
        let stage = service.deploy.as_ref().map(Deploy::local);
        let data = state.data_of(&service.manifest.service)?;
        let mut add = |function: &Function, mut spec: FunctionSpec, sources: u64| {
            if let Some(deploy) = &service.deploy {
                let service = &service.manifest.service;
                described(&mut spec, deploy, service, &function.id, queues, &mut secrets)?;
            }
            let data = ("EG_DATA_DIR", data.as_os_str());
            let all = variables.iter().map(|(name, value)| (*name, OsStr::new(*value))).chain([data]);
            for (name, value) in all {
                // Variables from `eg.toml` take precedence.
                spec.variables.entry(name.to_owned()).or_insert_with(|| value.to_owned());
            }
            spec = limits(spec, function, stage.and_then(|stage| stage.function(&function.id)));
            let mut hash = DefaultHasher::new();
            (format!("{spec:?}"), sources).hash(&mut hash);
            deployments.push(Deployment { spec, version: hash.finish() });
            Ok::<_, Failure>(())
        };
        match &service.code {
            Code::Binary(binary) => {
                let program = put_aside(binary, &state.binaries())?;
                for function in &service.manifest.functions {
                    let spec = FunctionSpec::new(&function.id, &program)
                        .handler(&function.name)
                        .root(&service.folder);
                    add(function, spec, 0)?;
                }
            }
            Code::Programs(programs) => {
                let mut files = program_files(&service.folder);
                files.extend(programs.values().flat_map(|program| program.named_files(&service.folder)));
                let sources = fingerprint(&files);
                for function in &service.manifest.functions {
                    if let Some(program) = programs.get(&function.id) {
                        add(function, spec_of(function, program, &service.folder), sources)?;
                    }
                }
            }
        }
    }
    secrets.check()?;
    Ok(deployments)
}

/// Sets the variables that `eg.toml` describes for a function of a service, unless `[[function]]` has set them. A variable that is
/// set here keeps its value, because functions inherit it.
fn described(
    spec: &mut FunctionSpec,
    deploy: &Deploy,
    service: &str,
    function: &str,
    queues: &str,
    secrets: &mut Secrets,
) -> Result<(), Failure> {
    let stage = deploy.local();
    let mut set = |name: &str, value: OsString| {
        spec.variables.entry(name.to_owned()).or_insert(value);
    };
    let is_set = |name: &str| std::env::var_os(name).is_some();
    for (name, value) in stage.variables(service, function).into_iter().filter(|(name, _)| !is_set(name)) {
        match value {
            Value::Text(text) => set(name, text.into()),
            // The resource that it is about is on AWS.
            Value::Template(_) => {}
            Value::Secret(_) => {
                if let Some(secret) = secrets.get(name, deploy)? {
                    set(name, secret.into());
                }
            }
        }
    }
    for (name, queue) in stage.queues(service).filter(|(_, queue)| !is_set(&queue.variable)) {
        set(&queue.variable, format!("{queues}/{ACCOUNT}/{name}").into());
    }
    // Without a DynamoDB, services keep their data in EG_DATA_DIR.
    if let Some((_, url)) = tables::endpoint() {
        if stage.tables(service).next().is_some() {
            // Functions do not inherit the variable for all services.
            set(local_aws::DYNAMODB, url.into());
        }
        for (name, table) in stage.tables(service).filter(|(_, table)| !is_set(&table.variable)) {
            set(&table.variable, stage.table_name(name, table).into());
        }
    }
    Ok(())
}

fn spec_of(function: &Function, program: &Program, folder: &Path) -> FunctionSpec {
    let (name, arguments) = program.command.split_first().map_or(("", &[][..]), |(name, rest)| (name, rest));
    let mut spec = FunctionSpec::new(&function.id, name)
        .handler(&program.handler)
        .root(folder)
        .arguments(arguments.iter().map(OsString::from));
    for (name, value) in &program.environment {
        spec = spec.variable(name, value);
    }
    spec
}

/// Applies the limits that `eg.toml` or the function declares; the emulator's defaults apply to the others.
fn limits(mut spec: FunctionSpec, function: &Function, settings: Option<&FunctionSettings>) -> FunctionSpec {
    if let Some(seconds) = settings.and_then(|settings| settings.timeout).or(function.timeout) {
        spec.timeout = Duration::from_secs(seconds.into());
    }
    if let Some(megabytes) = settings.and_then(|settings| settings.memory).or(function.memory) {
        spec.memory_mb = megabytes;
    }
    spec.reserved_concurrency = settings
        .and_then(|settings| settings.concurrency)
        .map(|most| usize::try_from(most).unwrap_or(usize::MAX));
    spec
}

/// Links or copies a binary into `folder` under a name that contains its version.
fn put_aside(binary: &Path, folder: &Path) -> Result<PathBuf, Failure> {
    let name = binary.file_name().unwrap_or(binary.as_os_str()).to_string_lossy();
    let place = folder.join(format!("{name}-{:016x}", of_file(binary)));
    let put = || -> io::Result<()> {
        if !place.exists() {
            create_folder(folder)?;
            // A hard link fails if the state directory is on another disk.
            std::fs::hard_link(binary, &place).or_else(|_| std::fs::copy(binary, &place).map(drop))?;
        }
        Ok(())
    };
    match put() {
        Ok(()) => Ok(place),
        Err(error) => {
            let message = format!("cannot put {} into {}: {error}", binary.display(), folder.display());
            Err(Failure::new(Exit::Failed, message))
        }
    }
}

/// Removes the binaries that are not in `used`. Running processes are not affected.
pub(crate) fn tidy(folder: &Path, used: &BTreeSet<PathBuf>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    for path in entries.map(|entry| folder.join(entry.file_name())).filter(|path| !used.contains(path)) {
        // A file that cannot be removed only takes up space.
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression test: the emulator ran every function with 30 s and 128 MB, because the limits were looked up in
    /// the map of unknown keys, which no longer contained them.
    #[test]
    fn the_emulator_gets_the_limits_that_a_function_asks_for() {
        let spec = |function: &Function| {
            let spec = limits(FunctionSpec::new("shop-list", "shop").handler("list"), function, None);
            (spec.timeout.as_secs(), spec.memory_mb)
        };
        let mut function = Function::new("shop", "list", "src/main.rs:1");
        assert_eq!(spec(&function), (30, 128));
        (function.timeout, function.memory) = (Some(60), Some(512));
        assert_eq!(spec(&function), (60, 512));
    }
}
