//! `cargo eg rollback`: brings a stack back to an earlier version. `crate::deploy` compares and deploys it.

use std::collections::BTreeMap;

use super::live::{Live, report, wishes};
use super::stage::Chosen;
use crate::cli;
use crate::console::signals::Signals;
use crate::deploy::deployment::Wishes;
use crate::deploy::{Packaged, Registered, bucket};
use crate::exit::{Exit, Failure};

pub(crate) async fn run(arguments: cli::Rollback) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let chosen = Chosen::here(arguments.stage.stage.as_deref())?;
    let live = Live::open(&arguments.aws, &chosen).await?;
    let (place, target) = (live.place(), &chosen.target);
    if place.complete_rollback(&mut signals).await? {
        eprintln!("stack {} is back at its last version", target.stack);
        return Ok(());
    }
    let missing = |place: &str| {
        let message = format!("stack `{}` has no earlier version{place}", target.stack);
        Failure::new(Exit::NotFound, message).hint(
            "go back in the sources, then deploy them; --bucket names the bucket that `deploy` was given",
        )
    };
    let bucket_name = arguments.bucket.as_deref();
    let Some(bucket) = live.existing_bucket(bucket_name).await? else {
        return Err(missing(""));
    };
    let versions = bucket::versions(&bucket, target).await?;
    let live_hash = bucket::hash(&bucket, target, &place.template().await?)?;
    let Some(version) = bucket::previous(&versions, &live_hash) else {
        return Err(missing(&format!(" in the bucket `{}`", bucket.name)));
    };
    let template = bucket::load(&bucket, target, version).await?;
    let packaged = Packaged { template, files: BTreeMap::new(), owners: None };
    bucket::check(&bucket, &packaged).await?;
    eprintln!("back to the version of {}", version.at);
    let wanted = Registered::of(&packaged.template)?;
    let registrar = live.registrar(&arguments.gateway);
    registrar.check(wanted.as_ref()).await?;
    let wishes = Wishes { is_return: true, ..wishes(&arguments.consent, &chosen) };
    let deployed = place.deploy(bucket_name, &packaged, &wishes, &mut signals).await?;
    // The deployment has added the version that was live, if it was not in the history.
    let versions = bucket::versions(&bucket, target).await?;
    bucket::forget(&bucket, bucket::after(&versions, version)).await?;
    live.record(&chosen.record(), Some(packaged.template))?;
    eprintln!("stack {} is at the version of {}", target.stack, version.at);
    registrar.register(wanted.as_ref(), deployed.before.as_ref()).await?;
    report(target, &deployed.existing)
}
