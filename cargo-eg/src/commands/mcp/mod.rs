//! `cargo eg mcp`: offers what the commands do as tools of the Model Context Protocol, on standard input and output. Each call of a
//! tool runs the command of `tools` in a process of its own, so tools and commands cannot differ.

mod tools;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, Implementation,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool as Described,
    ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler, ServiceExt as _, transport};
use tokio::process::Command;

use self::tools::{Effect, TOOLS, Tool};
use crate::cli;
use crate::console::signals::Signals;
use crate::exit::{Exit, Failure};

/// The maximum length of a result, in bytes. A longer one would fill the context of a model.
const LONGEST: usize = 100_000;

/// What clients tell models about the tools.
const INSTRUCTIONS: &str = "Tools for an event-driven application and its event gateway. To find out why a function did not run, \
     use list_events and explain_event. read_logs has what functions printed; list_dead_letters has what was given up. After a \
     repair, use retry_event, retry_dead_letter or replay_event. get_map and check show how services fit together.";

/// The server. Clones share nothing that changes.
#[derive(Debug, Clone)]
struct Server {
    /// This program.
    program: PathBuf,
    /// The gateway that the user named.
    environment: Vec<(&'static str, OsString)>,
    reads_only: bool,
}

pub(crate) async fn run(arguments: cli::Mcp) -> Result<(), Failure> {
    let cli::Mcp { read_only, gateway } = arguments;
    let program = std::env::current_exe();
    let program = program
        .map_err(|error| Failure::because(Exit::Failed, "cannot find this program".to_owned(), error))?;
    let cli::Gateway { url, config_url, space, access_key } = gateway;
    let environment = [
        ("EVENT_GATEWAY_URL", url),
        ("EVENT_GATEWAY_CONFIG_URL", config_url),
        ("EVENT_GATEWAY_SPACE", Some(space)),
        // Other users of this machine can see the arguments of programs, but not their environment.
        ("EVENT_GATEWAY_ACCESS_KEY", access_key),
    ];
    let environment =
        environment.into_iter().filter_map(|(name, value)| Some((name, value?.into()))).collect();
    let server = Server { program, environment, reads_only: read_only };
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(Exit::Failed, format!("the client does not speak the Model Context Protocol: {error}"))
            .hint("an agent starts `cargo eg mcp`; see `cargo eg mcp --help`")
    };
    let mut signals = Signals::listen()?;
    let served = async {
        let running = server.serve(transport::stdio()).await.map_err(|error| failed(&error))?;
        running.waiting().await.map(drop).map_err(|error| failed(&error))
    };
    tokio::select! {
        served = served => served,
        () = signals.next() => Ok(()),
    }
}

impl Server {
    fn tools(&self) -> impl Iterator<Item = &'static Tool> {
        let reads_only = self.reads_only;
        TOOLS.iter().filter(move |tool| !reads_only || tool.effect == Effect::Reads)
    }

    /// Runs a command and returns what it prints.
    async fn call(&self, words: Vec<String>) -> std::io::Result<CallToolResult> {
        let mut command = Command::new(&self.program);
        command.args(words).envs(self.environment.iter().cloned());
        // A call that the client gives up ends its command.
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await?;
        let [data, messages] = [&output.stdout, &output.stderr].map(|bytes| clipped(bytes));
        Ok(match (output.status.success(), data.is_empty()) {
            (true, false) => CallToolResult::success(vec![ContentBlock::text(data)]),
            (true, true) if messages.is_empty() => {
                CallToolResult::success(vec![ContentBlock::text("no results")])
            }
            (true, true) => CallToolResult::success(vec![ContentBlock::text(messages)]),
            // A report of findings, for example.
            (false, false) => {
                CallToolResult::success(vec![ContentBlock::text(data), ContentBlock::text(messages)])
            }
            (false, true) => CallToolResult::error(vec![ContentBlock::text(messages)]),
        })
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("cargo-eg", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools().map(described).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = self.tools().find(|tool| tool.name == request.name) else {
            let known: Vec<&str> = self.tools().map(|tool| tool.name).collect();
            let message = format!("no tool `{}`: the tools are {}", request.name, known.join(", "));
            return Err(ErrorData::invalid_params(message, None));
        };
        let words = match tool.words(&request.arguments.unwrap_or_default()) {
            Ok(words) => words,
            Err(mistake) => return Ok(CallToolResult::error(vec![ContentBlock::text(mistake)]).into()),
        };
        let result = self.call(words).await;
        let result = result
            .map_err(|error| ErrorData::internal_error(format!("cannot run the command: {error}"), None))?;
        Ok(result.into())
    }
}

fn described(tool: &Tool) -> Described {
    let annotations = ToolAnnotations::new()
        .read_only(tool.effect == Effect::Reads)
        .destructive(tool.effect == Effect::Discards)
        .open_world(tool.effect == Effect::Calls);
    Described::new(tool.name, tool.description, Arc::new(tool.schema())).with_annotations(annotations)
}

/// Returns text without the end that a model could not read anyway.
fn clipped(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if text.len() <= LONGEST {
        return text.into_owned();
    }
    let end = text.floor_char_boundary(LONGEST);
    format!(
        "{}…\n(cut after {end} of {} bytes: ask for less, for example with `limit`)",
        &text[..end],
        text.len()
    )
}
