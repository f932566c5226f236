//! A running application: gateway, emulator and the services' functions, started in an order in which no
//! caller meets a part that is not there yet, and stopped in one in which nothing under way is cut off.

use std::time::Duration;

use cargo_eg::emulator::{self, Emulator, FunctionSpec};
use eg_gateway::{Activity, Gateway};
use eg_sdk::{EventGateway, Settings};
use tokio::sync::broadcast;

use crate::exit::{Exit, Failure, chain};
use crate::register::register;
use crate::services::Service;
use crate::state::State;

/// Ports on the loopback interface; 0 for any.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) events: u16,
    pub(crate) config: u16,
    pub(crate) lambda: u16,
}

/// Everything that runs.
#[derive(Debug)]
pub(crate) struct App {
    gateway: Gateway,
    emulator: Emulator,
}

impl App {
    /// Starts the services. When this returns, every function is ready and registered, and nothing is
    /// delivered before [`open`](Self::open).
    pub(crate) async fn start(services: &[Service], state: &State, ports: Ports) -> Result<Self, Failure> {
        state.create()?;
        // First the emulator's port, because the gateway needs its URL: it may have deliveries left from
        // an earlier run and starts at once with them. They wait until the functions are there.
        let emulator = bind(state, ports.lambda).await?;
        let gateway = start_gateway(state, ports, emulator.url()).await?;
        let app = Self { gateway, emulator };
        match app.start_functions(services, state).await {
            Ok(()) => Ok(app),
            Err(failure) => {
                // Not after the gateway: it would wait for answers that nobody will give.
                app.emulator.shut_down().await;
                app.gateway.shutdown().await;
                Err(failure)
            }
        }
    }

    async fn start_functions(&self, services: &[Service], state: &State) -> Result<(), Failure> {
        let mut starting = Vec::new();
        for service in services {
            let data = state.data_of(&service.manifest.service)?;
            for function in &service.manifest.functions {
                let spec = FunctionSpec::new(&function.id, &function.name, &service.binary, &service.folder)
                    .variable("EVENT_GATEWAY_URL", self.gateway.events_url())
                    .variable("EVENT_GATEWAY_CONFIG_URL", self.gateway.config_url())
                    .variable("EG_DATA_DIR", &data);
                self.emulator.deploy(spec).map_err(|error| Failure::new(Exit::Failed, error))?;
                starting.push((&function.id, self.emulator.warm(&function.id)));
            }
        }
        let mut failures = Vec::new();
        for (id, ready) in starting {
            if let Err(failure) = ready.await {
                failures.push(format!("function {id} cannot start: {}", chain(&failure)));
            }
        }
        if !failures.is_empty() {
            return Err(Failure::new(Exit::Failed, failures.join("\n       "))
                .hint(format!("the full logs are in {}", state.logs().display())));
        }
        let manifests = services.iter().map(|service| &service.manifest);
        register(&self.client()?, manifests).await
    }

    /// Lets the gateway call the functions.
    pub(crate) fn open(&mut self) {
        self.emulator.open();
    }

    /// A client of the gateway, whatever the environment says about gateways.
    fn client(&self) -> Result<EventGateway, Failure> {
        let mut settings = Settings::default();
        self.gateway.events_url().clone_into(&mut settings.url);
        settings.config_url = Some(self.gateway.config_url().to_owned());
        Ok(EventGateway::with_settings(settings)?.with_timeout(Duration::from_secs(10)))
    }

    pub(crate) fn events_url(&self) -> &str {
        self.gateway.events_url()
    }

    pub(crate) fn config_url(&self) -> &str {
        self.gateway.config_url()
    }

    pub(crate) fn lambda_url(&self) -> &str {
        self.emulator.url()
    }

    /// What happens from now on.
    pub(crate) fn activity(&self) -> broadcast::Receiver<Activity> {
        self.gateway.activity()
    }

    /// Lets the gateway finish what is under way, then stops the functions.
    pub(crate) async fn stop(self) {
        self.gateway.shutdown().await;
        self.emulator.shut_down().await;
    }
}

async fn bind(state: &State, port: u16) -> Result<Emulator, Failure> {
    let mut options = emulator::Options::new(state.logs());
    options.addr.set_port(port);
    Emulator::bind(options).await.map_err(|error| match error {
        emulator::StartError::PortInUse { .. } => Failure::new(
            Exit::PortInUse,
            format!("port {port} is already in use, so the local Lambda cannot listen there"),
        )
        .hint("is another `cargo eg run` running? Choose another port with --lambda-port"),
        error => Failure::new(Exit::Failed, error),
    })
}

async fn start_gateway(state: &State, ports: Ports, lambda: &str) -> Result<Gateway, Failure> {
    let mut options = eg_gateway::Options::new(state.gateway());
    options.events_addr = ports.events.into();
    options.config_addr = ports.config.into();
    options.lambda_endpoint = Some(lambda.to_owned());
    options.private_targets = eg_gateway::PrivateTargets::all();
    Gateway::start(options).await.map_err(|error| match error {
        eg_gateway::StartError::PortInUse { api, .. } => {
            let flag = match api {
                eg_gateway::Api::Events => "--port",
                eg_gateway::Api::Config => "--config-port",
            };
            let hint = format!("is another gateway running? Choose another port with {flag}");
            Failure::new(Exit::PortInUse, error).hint(hint)
        }
        error => Failure::new(Exit::Failed, error),
    })
}
