//! `App`: built and run by `main`. Detects where the process runs (Lambda or HTTP) and chooses the functions to
//! serve.

use std::any::Any;
use std::env;
use std::error::Error as StdError;

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use eg_grammar::limits;
use eg_sdk::EventGateway;
use tower::Layer;

use crate::dispatch::{Around, Service};
use crate::lambda;
use crate::layer::Function;
use crate::log::{self, Level};
use crate::mounted::{self, Mounted};
use crate::registry::{self, FunctionDef, RegistryError};
use crate::shared::{Shared, States};
use crate::start::RUNTIME_API;
use crate::{Connections, Error, panics, secrets, start};

/// The functions of this binary, with their shared state and layers.
#[derive(Debug)]
pub struct App {
    states: States,
    around: Around,
    payload_limit: usize,
    max_hops: u32,
    hooks: lambda::Hooks,
    client: lambda::Client,
}

/// Why an app cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("_HANDLER is not set; name one of {functions}, or `*` for all of them")]
    NoHandler { functions: String },
    #[error("_HANDLER is `{handler}`, but this binary has {functions}, or `*` for all of them")]
    Handler { handler: String, functions: String },
    #[error("`App::layer_for` names `{function}`, but this binary has {functions}")]
    Layer { function: &'static str, functions: String },
    #[error(transparent)]
    Secrets(#[from] secrets::Unsupported),
    #[error(transparent)]
    Lambda(#[from] lambda::LambdaError),
}

impl App {
    /// Creates an app with all annotated functions of the binary and no state.
    #[must_use]
    pub fn new() -> Self {
        start::begun();
        Self {
            states: States::default(),
            around: Around::default(),
            payload_limit: limits::PAYLOAD,
            max_hops: limits::HOPS,
            hooks: lambda::Hooks::default(),
            client: lambda::Client::default(),
        }
    }

    /// Sets how many bytes the body of an HTTP request may have, and the answer to the gateway. Default: 6 MB (6,291,456
    /// bytes), which is also the limit of Lambda and of the gateway. A larger body is answered with a 413. On Lambda, a
    /// higher limit has no effect; a gateway in front needs a higher limit, too.
    #[must_use]
    pub fn payload_limit(self, bytes: usize) -> Self {
        Self { payload_limit: bytes, ..self }
    }

    /// Sets how many events may lead to an event, one causing the next. Default: 16, as at the gateway. On AWS, where no
    /// gateway ends loops, an event with more is rejected before a function gets it. Events from the gateway are not
    /// counted again: its own limit is its flag `--max-hops`.
    #[must_use]
    pub fn max_hops(self, hops: u32) -> Self {
        Self { max_hops: hops, ..self }
    }

    /// Provides the value of `State<T>` arguments. The value is cloned for each invocation, so wrap expensive data in
    /// an `Arc`. A second value of the same type replaces the first.
    ///
    /// On Lambda and with `cargo eg run`, each function has processes of its own, and each process its own value: an
    /// `Arc<Mutex<…>>` is not shared between functions. Keep what they share in a database.
    #[must_use]
    pub fn state<T: Clone + Any + Send + Sync>(mut self, state: T) -> Self {
        self.states.insert(state);
        self
    }

    /// Adds a tower layer around every function. The layer sees the function's requests (HTTP requests, events and
    /// messages alike) and responses. HTTP requests reach it before they are routed, so it also sees those that no
    /// function answers (CORS preflights, 404, 405). It may change the type of request bodies. The layer added last sees
    /// requests first. An error of the layer means *retry later*.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use eg_runtime::App;
    /// use tower::timeout::TimeoutLayer;
    ///
    /// let app = App::new().layer(TimeoutLayer::new(Duration::from_secs(2)));
    /// # let _ = app;
    /// ```
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Function> + Send + Sync + 'static,
        L::Service: tower::Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as tower::Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as tower::Service<Request>>::Error: Into<Box<dyn StdError + Send + Sync>> + 'static,
        <L::Service as tower::Service<Request>>::Future: Send + 'static,
    {
        self.around.layers.push(layer);
        self
    }

    /// Adds a tower layer around one function, within the layers of [`App::layer`]. The layer sees the requests that the
    /// function gets: HTTP requests after they are routed, and its events and messages. Of several layers, the one added
    /// last sees requests first. If no function has this name, the app does not start.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use eg_runtime::App;
    /// use tower::timeout::TimeoutLayer;
    ///
    /// let app = App::new().layer_for("create_user", TimeoutLayer::new(Duration::from_secs(2)));
    /// # let _ = app;
    /// ```
    #[must_use]
    pub fn layer_for<L>(mut self, function: &'static str, layer: L) -> Self
    where
        L: Layer<Function> + Send + Sync + 'static,
        L::Service: tower::Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as tower::Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as tower::Service<Request>>::Error: Into<Box<dyn StdError + Send + Sync>> + 'static,
        <L::Service as tower::Service<Request>>::Future: Send + 'static,
    {
        self.around.of_functions.entry(function).or_default().push(layer);
        self
    }

    /// Mounts a router of axum: it answers the HTTP requests that no function answers. Its handlers may take [`Context`],
    /// [`State`] and [`Emit`] of this crate beside axum's extractors; the layers of [`App::layer`], the payload limit and the
    /// deadline apply to them. A second router replaces the first.
    ///
    /// The router answers where the process serves all functions: over HTTP, in tests, and on Lambda with `_HANDLER=*`. It is
    /// made at run time, so its routes are not in the manifest: neither a gateway (also that of `cargo eg run`) nor the
    /// template knows them, and `cargo eg check` does not see them. To have its requests routed there, declare a function
    /// for them. The function finds the router as `State<Router>`:
    ///
    /// ```
    /// use eg_runtime::axum::{Router, routing::get};
    /// use eg_runtime::tower::ServiceExt as _;
    /// use eg_runtime::{App, IntoResponse, Request, State, http};
    ///
    /// /// Hands over everything below `/admin`.
    /// #[http(ANY, "/admin/{*page}")]
    /// async fn admin(State(router): State<Router>, request: Request) -> impl IntoResponse {
    ///     router.oneshot(request).await.into_response()
    /// }
    ///
    /// let app = App::new().router(Router::new().route("/admin/users", get(|| async { "users" })));
    /// # let _ = app;
    /// ```
    ///
    /// [`Context`]: crate::Context
    /// [`Emit`]: crate::Emit
    /// [`State`]: crate::State
    #[must_use]
    pub fn router(mut self, router: Router) -> Self {
        self.states.insert(mounted::for_functions(router.clone()));
        self.around.mounted = Some(Mounted::new(router));
        self
    }

    /// Sets the client for emitted events. Default: a client configured by environment variables.
    #[must_use]
    pub fn gateway(mut self, gateway: EventGateway) -> Self {
        self.states.insert(gateway);
        self
    }

    /// Sets the client of the connections of the WebSocket API. Default: a client configured by environment variables.
    #[must_use]
    pub fn connections(mut self, connections: Connections) -> Self {
        self.states.insert(connections);
        self
    }

    /// Runs `hook` before Lambda takes a snapshot of the process (SnapStart), for example to close connections. The hook
    /// added last runs first. A failure is reported as a failed start. Without SnapStart, the hook never runs.
    #[must_use]
    pub fn before_snapshot<F, Fut, E>(mut self, hook: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Error>,
    {
        self.hooks.before_snapshot(hook);
        self
    }

    /// Runs `hook` in each process that continues from a snapshot, before its first invocation, for example to open
    /// connections and to seed generators of random numbers. The hooks run in the order in which they were added. A failure is
    /// reported to Lambda, which ends the process.
    #[must_use]
    pub fn after_restore<F, Fut, E>(mut self, hook: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Error>,
    {
        self.hooks.after_restore(hook);
        self
    }

    /// Runs `hook` on Lambda after each answer is sent and before the next invocation, while the process is not frozen: to
    /// flush the spans of OpenTelemetry, for example. It has the time that is left until the invocation's deadline; if none is
    /// left, it does not finish. A failure is printed to the log, and changes nothing. Lambda bills the time. Over HTTP, the
    /// hook never runs.
    ///
    /// ```
    /// # use eg_runtime::App;
    /// # #[derive(Clone)] struct Tracer;
    /// # impl Tracer { async fn force_flush(&self) -> Result<(), std::io::Error> { Ok(()) } }
    /// # let tracer = Tracer;
    /// let app = App::new().after_answer(move || {
    ///     let tracer = tracer.clone();
    ///     async move { tracer.force_flush().await }
    /// });
    /// # let _ = app;
    /// ```
    #[must_use]
    pub fn after_answer<F, Fut, E>(mut self, hook: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Error>,
    {
        self.hooks.after_answer(hook);
        self
    }

    /// Runs `hook` when the process is asked to end (`SIGTERM`; over HTTP also Ctrl-C) and has finished what it was doing: to
    /// flush buffers or to close connections, for example. The hook added last runs first. A failure is printed to the log,
    /// and the other hooks run.
    ///
    /// Lambda asks a process to end only if an extension is registered, so an app with such a hook registers an internal one
    /// that gets no events. Lambda then waits for half a second before it kills the process. It does not ask a process whose
    /// invocation has timed out, so what must not be lost belongs into [`after_answer`](Self::after_answer).
    ///
    /// ```
    /// # use eg_runtime::App;
    /// # #[derive(Clone)] struct Pool;
    /// # impl Pool { async fn close(self) -> Result<(), std::io::Error> { Ok(()) } }
    /// # let pool = Pool;
    /// let app = App::new().state(pool.clone()).on_shutdown(|| pool.close());
    /// # let _ = app;
    /// ```
    #[must_use]
    pub fn on_shutdown<F, Fut, E>(mut self, hook: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Error>,
    {
        self.hooks.on_shutdown(hook);
        self
    }

    /// Serves Lambda with AWS's client of the Runtime API, the crate `lambda_runtime`, instead of the one of this crate. See
    /// [AWS's client](crate#awss-client) for what differs.
    #[cfg(feature = "lambda-runtime")]
    #[must_use]
    pub fn lambda_runtime(self) -> Self {
        Self { client: lambda::Client::Aws, ..self }
    }

    /// Serves until the process is asked to end: Lambda if `AWS_LAMBDA_RUNTIME_API` is set, else HTTP.
    ///
    /// On Lambda, an app that cannot start reports the cause to the Runtime API, logs it in Lambda's format, and exits
    /// with code 1. If `main` ends before it calls this function, the last [`Error`](crate::Error) is the cause.
    ///
    /// # Errors
    /// If the app cannot start: no functions, two functions with the same name, a missing state, an unknown
    /// `_HANDLER`, or a port in use.
    pub async fn run(self) -> Result<(), Error> {
        start::done();
        panics::remember_places();
        match env::var(RUNTIME_API) {
            Ok(endpoint) if !endpoint.is_empty() => self.run_on_lambda(&endpoint).await,
            _ => self.run_over_http().await,
        }
    }

    async fn run_on_lambda(mut self, endpoint: &str) -> Result<(), Error> {
        let (hooks, client) = (std::mem::take(&mut self.hooks), self.client);
        let start = || {
            secrets::check()?;
            let environment = lambda::Environment::read(endpoint)?;
            let handler = env::var("_HANDLER").unwrap_or_default();
            let (_, service) = self.service(&handler)?;
            Ok::<_, StartError>((service, environment))
        };
        let outcome = match start() {
            Ok((service, environment)) => {
                lambda::serve(service, environment, hooks, client).await.map_err(StartError::Lambda)
            }
            Err(error) => {
                lambda::report_init_error(endpoint, &error.to_string()).await;
                Err(error)
            }
        };
        if let Err(error) = outcome {
            // An error of `main` would be printed in another format than Lambda's.
            log::print(Level::Fatal, &error.to_string());
            std::process::exit(1);
        }
        Ok(())
    }

    #[cfg(feature = "http-server")]
    async fn run_over_http(mut self) -> Result<(), Error> {
        let mut hooks = std::mem::take(&mut self.hooks);
        secrets::check().map_err(StartError::from)?;
        let (name, service) = self.service("*")?;
        crate::http_server::serve(name, service).await?;
        hooks.run_on_shutdown().await;
        Ok(())
    }

    #[cfg(not(feature = "http-server"))]
    async fn run_over_http(self) -> Result<(), Error> {
        Err(Error::retry(format!("{RUNTIME_API} is not set, and eg-runtime was built without `http-server`")))
    }

    /// Returns the service's name, and the functions that `handler` names.
    pub(crate) fn service(self, handler: &str) -> Result<(&'static str, Service), StartError> {
        let functions = registry::functions();
        let name = registry::service(&functions)?;
        self.serving(functions, name, handler)
    }

    /// Returns the name and the functions of one package, of a test that has several.
    pub(crate) fn service_of(self, package: &str) -> Result<(&'static str, Service), StartError> {
        let all = registry::functions();
        let of_package = || all.iter().copied().filter(|function| function.package == package);
        let Some(first) = of_package().next() else {
            let mut packages: Vec<_> = all.iter().map(|function| format!("`{}`", function.package)).collect();
            packages.sort_unstable();
            packages.dedup();
            let (package, packages) = (package.to_owned(), packages.join(", "));
            return Err(RegistryError::NoPackage { package, packages }.into());
        };
        self.serving(of_package().collect(), first.package, "*")
    }

    /// Returns the functions of the service `name` that `handler` names.
    fn serving(
        self,
        functions: Vec<&'static FunctionDef>,
        name: &'static str,
        handler: &str,
    ) -> Result<(&'static str, Service), StartError> {
        registry::check_names(&functions)?;
        let source = format!("/services/{name}");
        let Self { states, payload_limit, max_hops, .. } = self;
        let shared = Shared { states, source, payload_limit, max_hops };
        let mut around = self.around;
        if let Some(unknown) =
            around.of_functions.keys().find(|key| !functions.iter().any(|f| f.name == **key))
        {
            return Err(StartError::Layer { function: unknown, functions: names(&functions) });
        }
        if !serves_all(name, handler) {
            around.mounted = None;
        }
        Ok((name, Service::new(&select(functions, name, handler)?, shared, around)?))
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns whether `_HANDLER` names all functions.
fn serves_all(service: &str, handler: &str) -> bool {
    ["*", "bootstrap", service].contains(&handler)
}

/// Lists functions by name.
fn names(functions: &[&'static FunctionDef]) -> String {
    let names: Vec<_> = functions.iter().map(|function| format!("`{}`", function.name)).collect();
    names.join(", ")
}

/// Returns the functions that `_HANDLER` names: one (`create_user` or `users.create_user`), or all.
fn select(
    functions: Vec<&'static FunctionDef>,
    service: &str,
    handler: &str,
) -> Result<Vec<&'static FunctionDef>, StartError> {
    if serves_all(service, handler) {
        return Ok(functions);
    }
    let name = handler.strip_prefix(service).and_then(|rest| rest.strip_prefix('.')).unwrap_or(handler);
    match functions.iter().find(|function| function.name == name) {
        Some(function) => Ok(vec![function]),
        None => {
            let functions = names(&functions);
            Err(match handler {
                "" => StartError::NoHandler { functions },
                _ => StartError::Handler { handler: handler.to_owned(), functions },
            })
        }
    }
}
