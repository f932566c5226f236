//! `cargo eg deploy`: checks, builds and deploys the services of an application. `crate::deploy` compares templates and brings
//! the stack to the new one.

use std::path::Path;
#[cfg(feature = "aws")]
use std::time::Instant;

use eg_sdk::manifest::Manifest;

use super::build::{Programs, programs};
use super::check::refuse;
#[cfg(feature = "aws")]
use super::live::{Live, report, wishes};
use super::rights;
use super::stage::Chosen;
use super::{current_folder, json_line, print, selected};
use crate::artifacts::{write, zip_of};
use crate::cli::{self, Packages};
#[cfg(feature = "aws")]
use crate::console::signals::Signals;
#[cfg(feature = "aws")]
use crate::deploy::deployment::Wishes;
use crate::deploy::record::FILE;
use crate::deploy::{Changes, Packaged, package};
#[cfg(feature = "aws")]
use crate::deploy::{Registered, bucket};
use crate::exit::{Exit, Failure, warn};
use crate::project::deploy::DEFAULT;
use crate::project::{Build, Wanted};
use crate::template::{Application, Extra, template};

pub(crate) async fn run(arguments: cli::Deploy) -> Result<(), Failure> {
    let current = current_folder()?;
    let cli::Deploy {
        packages,
        targets,
        architecture,
        cargo_profile,
        stage,
        plan,
        print_iam,
        json,
        consent,
        parameters,
        bucket,
        gateway,
        gateway_key,
        aws,
    } = arguments;
    if print_iam {
        let Packages { paths, packages } = packages;
        let build = Build {
            stage: Some(stage.stage.clone().unwrap_or_else(|| DEFAULT.to_owned())),
            ..targets.into()
        };
        let wanted = Wanted { paths, packages, build };
        let narrowed = rights::Narrowed { region: aws.region.as_deref(), bucket: bucket.as_deref() };
        return rights::run(&wanted, stage.stage.as_deref(), &gateway, narrowed).await;
    }
    let Programs { project, machine, services } =
        programs(packages, targets, architecture, cargo_profile, stage.stage.clone(), &current).await?;
    refuse(services.iter().map(|service| &service.manifest), &project.roots())?;
    let deploy = project.deployment(&services, &current)?;
    let mut chosen = Chosen::of(&deploy, stage.stage.as_deref())?;
    gateway.put_into(&mut chosen.stage)?;
    let folder = project.artifacts(&current);
    let programs = selected::of_application(&deploy, &chosen.stage, services)?;
    write(&programs, machine, &folder)?;
    let manifests: Vec<Manifest> = programs.into_iter().map(|program| program.manifest).collect();
    let code = |service: &str| folder.join(zip_of(service)).display().to_string();
    let extra = Extra::of(&deploy, &chosen.stage)?;
    let application = Application {
        manifests: &manifests,
        stage: &chosen.stage,
        architecture: machine.name(),
        code: &code,
        extra: &extra,
    };
    let made = template(&application).map_err(|refused| Failure::new(Exit::Manifest, refused))?;
    for note in &made.notes {
        warn(note);
    }
    let tree = serde_json::to_value(&made.tree)
        .map_err(|error| Failure::because(Exit::Failed, "cannot write the template".to_owned(), error))?;
    let packaged = package(tree, made.owners, &chosen.target.stack, Path::new("/"))?;
    if plan {
        return compare(&chosen, &packaged, json);
    }
    let access = Access { aws, gateway: gateway_key };
    live(&access, &consent, parameters, bucket.as_deref(), &chosen, packaged).await
}

/// Access to what a deployment changes.
#[cfg_attr(not(feature = "aws"), allow(dead_code, reason = "without AWS's clients, nothing is deployed"))]
struct Access {
    aws: cli::AwsAccess,
    gateway: cli::GatewayKey,
}

/// Shows what changes since the last deployment on record.
fn compare(chosen: &Chosen, packaged: &Packaged, json: bool) -> Result<(), Failure> {
    let stack = &chosen.target.stack;
    let last = chosen.record().get(stack)?;
    let last_template = last.as_ref().map(|last| &last.template);
    let changes = Changes::between(last_template, &packaged.placed(last_template)?);
    if json {
        print(&json_line(&changes)?)?;
    } else {
        match (&last, changes.is_empty()) {
            (None, _) => eprintln!("{FILE} has no deployment of stack {stack}: everything is new"),
            (Some(_), true) => eprintln!("stack {stack} is as it was deployed last, says {FILE}"),
            (Some(_), false) => eprintln!("changes of stack {stack} since the deployment in {FILE}"),
        }
        print(&changes.text())?;
    }
    if changes.is_empty() { Ok(()) } else { Err(Failure::silent(Exit::Changes)) }
}

#[cfg(not(feature = "aws"))]
async fn live(
    _: &Access,
    _: &cli::Consent,
    _: Vec<(String, String)>,
    _: Option<&str>,
    _: &Chosen,
    _: Packaged,
) -> Result<(), Failure> {
    Err(super::without_aws("deploy to AWS"))
}

/// Brings the stack to the template.
#[cfg(feature = "aws")]
async fn live(
    access: &Access,
    consent: &cli::Consent,
    parameters: Vec<(String, String)>,
    bucket: Option<&str>,
    chosen: &Chosen,
    packaged: Packaged,
) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let started = Instant::now();
    let live = Live::open(&access.aws, chosen).await?;
    let wanted = Registered::of(&packaged.template)?;
    let registrar = live.registrar(&access.gateway);
    // What the gateway refuses is found before the stack changes.
    registrar.check(wanted.as_ref()).await?;
    let target = &chosen.target;
    let wishes = Wishes { parameters: parameters.into_iter().collect(), ..wishes(consent, chosen) };
    let deployed = live.place().deploy(bucket, &packaged, &wishes, &mut signals).await?;
    let bucket = live.bucket(bucket).await?;
    let (hash, _) = bucket::store(&bucket, target, &deployed.template).await?;
    bucket::remember(&bucket, target, &hash).await?;
    match deployed.is_changed {
        true => eprintln!("deployed stack {} in {} s", target.stack, started.elapsed().as_secs()),
        false => eprintln!("stack {} is up to date: there is nothing to deploy", target.stack),
    }
    live.record(&chosen.record(), Some(deployed.template))?;
    if deployed.is_changed {
        registrar.register(wanted.as_ref(), deployed.before.as_ref()).await?;
    } else {
        // An earlier run may have ended before it left the gateway of the version before.
        let versions = bucket::versions(&bucket, target).await?;
        let before = match bucket::previous(&versions, &hash) {
            Some(version) => Some(bucket::load(&bucket, target, version).await?),
            None => None,
        };
        registrar.register(wanted.as_ref(), None).await?;
        if let Err(failure) = registrar.leave(wanted.as_ref(), before.as_ref()).await {
            warn(&failure.message());
        }
    }
    report(target, &deployed.existing)
}
