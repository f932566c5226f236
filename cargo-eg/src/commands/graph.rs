//! `cargo eg graph`: prints the map of an application. `eg_dashboard` makes it of the registrations that `cargo eg run` would make.

use eg_dashboard::Graph;

use super::app::Loaded;
use super::print;
use crate::cli::{self, GraphFormat};
use crate::exit::{Exit, Failure};
use crate::project::Wanted;
use crate::registration::Owner;
use crate::registration::plan::{Resources, desired};

pub(crate) async fn run(arguments: cli::Graph) -> Result<(), Failure> {
    let cli::Graph { selection, service, format } = arguments;
    let loaded = Loaded::build(&Wanted::from(selection)).await?;
    let manifests = loaded.services.iter().map(|service| &service.manifest);
    let Resources { functions, subscriptions, .. } = desired(Owner::Run, manifests);
    let mut graph = Graph::of(&functions, &subscriptions);
    if let Some(service) = service {
        let known = graph.services();
        if !known.contains(&service.as_str()) {
            let known = format!("the services are: {}", known.join(", "));
            return Err(
                Failure::new(Exit::NotFound, format!("no service `{service}` has functions")).hint(known)
            );
        }
        graph = graph.of_service(&service);
    }
    print(&match format {
        GraphFormat::Mermaid => graph.to_mermaid(),
        GraphFormat::Dot => graph.to_dot(),
        GraphFormat::Json => graph.to_json(),
    })
}
