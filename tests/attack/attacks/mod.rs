//! The attacks. To add one, write a file with a function `run` and list it here.

mod answers;
mod batch;
mod bodies;
mod causes;
mod config_bodies;
mod descriptors;
mod feed;
mod heads;
mod idle;
mod labels;
mod long_heads;
mod loops;
mod pages;
mod poison;
mod readers;
mod route;
mod saturation;

use std::pin::Pin;
use std::time::Duration;

use crate::functions::Functions;
use crate::gateway::{Gateway, MEMORY};
use crate::healthy::{EVENT_TYPE, Healthy};
use crate::table::Row;
use crate::{Ground, Result};

type Run = for<'g> fn(&'g Ground) -> Pin<Box<dyn Future<Output = Result<Vec<Row>>> + 'g>>;

/// The attacks by name, in the order in which they are run.
pub(crate) const ALL: [(&str, Run); 17] = [
    ("silent bodies", |ground| Box::pin(bodies::run(ground))),
    ("half heads", |ground| Box::pin(heads::run(ground))),
    ("long heads", |ground| Box::pin(long_heads::run(ground))),
    ("idle connections", |ground| Box::pin(idle::run(ground))),
    ("a route that hangs", |ground| Box::pin(route::run(ground))),
    ("large answers", |ground| Box::pin(answers::run(ground))),
    ("readers that do not read", |ground| Box::pin(readers::run(ground))),
    ("watchers that do not read", |ground| Box::pin(feed::run(ground))),
    ("large batches", |ground| Box::pin(batch::run(ground))),
    ("bodies for the Config API", |ground| Box::pin(config_bodies::run(ground))),
    ("unknown spaces", |ground| Box::pin(labels::run(ground))),
    ("foreign pages", |ground| Box::pin(pages::run(ground))),
    ("events with a large cause", |ground| Box::pin(causes::run(ground))),
    ("a function that feeds itself", |ground| Box::pin(loops::run(ground))),
    ("poison", |ground| Box::pin(poison::run(ground))),
    ("too few descriptors", |ground| Box::pin(descriptors::run(ground))),
    ("five times the load", |ground| Box::pin(saturation::run(ground))),
];

/// A gateway under attack, with its functions and a healthy emitter.
struct Scene {
    functions: Functions,
    gateway: Gateway,
    healthy: Healthy,
}

impl Scene {
    /// Starts a gateway with these options. Its healthy emitter has a subscriber.
    async fn start(ground: &Ground, options: &[&str]) -> Result<Self> {
        let (functions, gateway) = (Functions::start().await?, Gateway::start(ground, options)?);
        gateway.subscribe(&functions, "/well", EVENT_TYPE).await?;
        let healthy = Healthy::start(&gateway, ground.pick(20, 200));
        Ok(Self { functions, gateway, healthy })
    }

    /// Ends the emitter, and returns the goals that every attack has: for the emitter and for memory.
    async fn end(self, ground: &Ground) -> Result<Vec<Row>> {
        let mut rows = self.healthy.stop().await?.rows(ground);
        rows.push(Row::at_most("memory", self.gateway.memory()?, MEMORY, " MiB"));
        Ok(rows)
    }
}

/// How long an attack lasts.
fn duration(ground: &Ground) -> Duration {
    ground.pick(Duration::from_millis(500), Duration::from_secs(15))
}

/// The goal that the gateway closes the connections of an attack, which is checked in full size only.
fn closed(rows: &mut Vec<Row>, closed: usize, of: usize, within: Duration) {
    let goal = format!("all closed within {} s", within.as_secs());
    rows.push(Row::new(goal, format!("{closed} of {of}"), of > 0 && closed == of));
}
