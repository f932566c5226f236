//! Runs moto, a server that implements the APIs of AWS. Its Python environment is in `python`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::python;

/// moto's own program. Without the name, a template that refers to an event bus fails. Without new outputs, a stack that a
/// change set has made has none. Without the attributes, no stack refers to the outputs of a nested one;
/// and a nested stack refuses parameters with the names of resources that moto does not make.
const SERVER: &str = r#"
import json, os, sys, threading
from moto.cloudformation.models import CloudFormationBackend, Stack
from moto.cloudformation.utils import get_stack_from_s3_url
from moto.events.models import EventBus
from moto.server import main
EventBus.physical_resource_id = property(lambda bus: bus.name)
Stack.get_cfn_attribute = lambda stack, name: stack.output_map[name.removeprefix("Outputs.")].value
nest = Stack.create_from_cloudformation_json.__func__
def create_nested(cls, name, resource, account, region, **more):
    properties = resource["Properties"]
    template = json.loads(get_stack_from_s3_url(properties["TemplateURL"], account_id=account, partition="aws"))
    unknown = dict.fromkeys(template.get("Parameters", {}), "unknown")
    properties["Parameters"] = unknown | properties.get("Parameters", {})
    return nest(cls, name, resource, account, region, **more)
Stack.create_from_cloudformation_json = classmethod(create_nested)
execute = CloudFormationBackend.execute_change_set
def execute_change_set(backend, change_set_name, stack_name=None):
    execute(backend, change_set_name, stack_name)
    for stack in backend.stacks.values():
        if stack.template:
            stack._parse_template()
            stack.output_map = stack._create_output_map()
CloudFormationBackend.execute_change_set = execute_change_set
def end_with_the_test():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=end_with_the_test, daemon=True).start()
main(["-H", "127.0.0.1", "-p", "0"])
"#;

/// Without threads, a connection that stays open would block all others.
const SERIAL: &str = r#"
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple
WSGIRequestHandler.protocol_version = "HTTP/1.0"
run_simple("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
"#;

/// Returns the header `authorization` of a call to a service in the region `eu-central-1`. moto reads the service and the region from
/// it and does not check the signature, so this one is made up.
#[must_use]
pub fn signature(service: &str) -> String {
    let scope = format!("test/20260101/eu-central-1/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0")
}

/// A running moto. It is killed when the test ends.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    /// The URL of all its services.
    pub url: String,
}

impl Moto {
    /// Starts moto on a free port. Prints a note and returns `None` if this machine has no Python.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let mut command = Command::new(python::environment()?.join("bin/python"));
        command.args(["-c", SERVER]);
        Some(Self::run(command))
    }

    /// Returns the moto that all tests of this program share: it starts once. A test has an account of its own there, if its calls
    /// have the header `x-moto-account-id`. All accounts share the names of buckets. It ends with the program. Returns `None` if this machine has no Python.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Moto>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// Like `start`, but answers one request at a time. So concurrent transactions exclude each other, as in
    /// DynamoDB; otherwise moto checks the conditions of both and then writes both.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_serial() -> Option<Self> {
        let mut command = Command::new(python::environment()?.join("bin/python"));
        command.args(["-c", SERIAL]);
        Some(Self::run(command))
    }

    fn run(mut command: Command) -> Self {
        // Its standard input ends with this program, even if nobody drops the moto.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("moto can be started");
        let mut log = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        let url = loop {
            line.clear();
            assert_ne!(log.read_line(&mut line).expect("a log"), 0, "moto ended before it was ready");
            if let Some(at) = line.find("http://127.0.0.1:") {
                break line[at..].split_whitespace().next().expect("a URL").to_owned();
            }
        };
        // Reads the rest of the output, so that the pipe never fills up.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, url }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
