//! `cargo eg mcp`: offers what the commands do as tools of the Model Context Protocol, on standard input and output. Each call of a
//! tool runs the command of `tools` in a process of its own, so tools and commands cannot differ.

mod command;
mod tools;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, Implementation,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool as Described,
    ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler, ServiceExt as _, transport};
use tokio::process::Command;

use self::command::{Outcome, Part};
use self::tools::{Effect, Prints, TOOLS, Tool};
use crate::cli;
use crate::console::signals::Signals;
use crate::exit::{Exit, Failure};

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

    /// Runs the command of a tool and returns what it prints.
    async fn call(&self, tool: &Tool, words: Vec<String>) -> std::io::Result<CallToolResult> {
        let mut command = Command::new(&self.program);
        command.args(words).envs(self.environment.iter().cloned());
        let part = if tool.prints == Prints::Log { Part::Last } else { Part::First };
        let Outcome { is_success, data, messages } = command::run(command, part).await?;
        let is_report = tool.prints == Prints::Report && !data.is_empty();
        let mut contents = Vec::new();
        if !data.is_empty() {
            contents.push(ContentBlock::text(data.text(&tool.advice())));
        }
        // The messages of a success are about data that are not there: "no events match".
        if !messages.is_empty() && (!is_success || contents.is_empty()) {
            contents.push(ContentBlock::text(messages.text("")));
        }
        if contents.is_empty() {
            contents.push(ContentBlock::text(if is_success { "no results" } else { "the command failed" }));
        }
        Ok(if is_success || is_report {
            CallToolResult::success(contents)
        } else {
            CallToolResult::error(contents)
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
        context: RequestContext<RoleServer>,
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
        let failed = |message| ErrorData::internal_error(message, None);
        tokio::select! {
            result = self.call(tool, words) => match result {
                Ok(result) => Ok(result.into()),
                Err(error) => Err(failed(format!("cannot run the command: {error}"))),
            },
            // Nobody reads this answer.
            () = context.ct.cancelled() => Err(failed("the call was cancelled".to_owned())),
        }
    }
}

fn described(tool: &Tool) -> Described {
    let annotations = ToolAnnotations::new()
        .read_only(tool.effect == Effect::Reads)
        .destructive(tool.effect == Effect::Discards)
        .open_world(tool.effect == Effect::Calls);
    Described::new(tool.name, tool.description, Arc::new(tool.schema())).with_annotations(annotations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_stays_one_whatever_the_command_has_printed() {
        let server = Server { program: "sh".into(), environment: Vec::new(), reads_only: false };
        for (tool, script, is_error, expected) in [
            ("list_events", "echo some; echo why >&2; exit 1", true, &["some\n", "why\n"][..]),
            ("list_events", "echo why >&2; exit 1", true, &["why\n"]),
            ("list_events", "exit 1", true, &["the command failed"]),
            ("list_events", "echo some; echo note >&2", false, &["some\n"]),
            ("list_events", "echo none >&2", false, &["none\n"]),
            ("list_events", "exit 0", false, &["no results"]),
            ("check", "echo finding; echo summary >&2; exit 20", false, &["finding\n", "summary\n"]),
            ("check", "echo why >&2; exit 3", true, &["why\n"]),
        ] {
            let tool = TOOLS.iter().find(|known| known.name == tool).unwrap();
            let result = server.call(tool, vec!["-c".to_owned(), script.to_owned()]).await.unwrap();
            let texts: Vec<&str> = result.content.iter().map(|one| &*one.as_text().unwrap().text).collect();
            assert_eq!((result.is_error, texts), (Some(is_error), expected.to_vec()), "{script}");
        }
    }
}
