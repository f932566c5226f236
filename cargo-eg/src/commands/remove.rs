//! `cargo eg remove`: removes a stack from AWS. `crate::deploy` does it.

use super::live::{Live, wishes};
use super::stage::Chosen;
use crate::cli;
use crate::console::signals::Signals;
use crate::console::text::count;
use crate::deploy::{Registered, bucket};
use crate::exit::{Exit, Failure};

pub(crate) async fn run(arguments: cli::Remove) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let chosen = Chosen::here(arguments.stage.stage.as_deref())?;
    let target = &chosen.target;
    if chosen.stage.protect {
        return Err(Failure::new(Exit::WouldLose, format!("stage `{}` is protected", chosen.stage.name))
            .hint("remove `protect = true` from it in eg.toml and deploy it, then remove it"));
    }
    let live = Live::open(&arguments.aws, &chosen).await?;
    let place = live.place();
    let removal = place.agree_to_removal(&wishes(&arguments.consent, &chosen), &mut signals).await?;
    let was_there = removal.is_some();
    if let Some(removal) = removal {
        let called = removal.template.as_ref().map(Registered::of).transpose()?.flatten();
        if let (Some(called), false) = (called, arguments.without_gateway) {
            let registrar = live.registrar(&arguments.gateway);
            registrar.deregister(&called).await.map_err(|failure| {
                failure.hint("nothing was removed; --without-gateway removes the stack and leaves its registrations there")
            })?;
        }
        place.remove(&removal, &mut signals).await?;
        eprintln!("removed stack {}", target.stack);
    }
    // A removal that was interrupted has left these.
    let mut deleted = 0;
    if let Some(bucket) = live.existing_bucket(arguments.bucket.as_deref()).await? {
        deleted = bucket::clear(&bucket, target).await?;
        if was_there || deleted > 0 {
            eprintln!("deleted {} of it from the bucket {}", count(deleted, "object"), bucket.name);
        }
    }
    let record = chosen.record();
    let is_of_here = record.get(&target.stack)?.is_some_and(|last| last.region == live.region());
    if was_there || is_of_here {
        live.record(&record, None)?;
    } else if deleted == 0 {
        return Err(live.missing());
    }
    Ok(())
}
