//! Tests both applications of this repository on AWS, as moto and AWS's own emulator play it: their functions from the zip files,
//! the rights that those use, and their life from the first deployment to the removal.

mod emulator;
mod functions;
mod life;
mod namespace;
mod needs;
mod policy;
mod registration;
mod sam;
mod shop;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::app::Transcript;
use crate::support::aws::{Aws, isolate};

/// The processor of this machine in the words of Lambda.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };

/// An application, and the AWS on which it is deployed.
struct Application {
    name: &'static str,
    aws: Aws,
}

impl Application {
    fn open(name: &'static str) -> Self {
        assert!(namespace::is_inside(), "a deployment writes into the folder of the application");
        Self { name, aws: Aws::start().expect("Python is there") }
    }

    /// The folder of the application.
    fn folder(&self) -> PathBuf {
        workspace().join("services").join(self.name)
    }

    /// The name of its stack.
    fn stack(&self) -> String {
        format!("{}-dev", self.name)
    }

    /// Runs a command in its folder.
    fn eg(&self, arguments: &[&str]) -> Transcript {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-eg"));
        isolate(&mut command);
        command
            .arg("eg")
            .args(arguments)
            .current_dir(self.folder())
            .env("CARGO", eg_tests::program::cargo())
            .env("CARGO_TARGET_DIR", target())
            .env("CARGO_NET_OFFLINE", "true")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        Transcript::of(command.output().unwrap())
    }

    /// Runs a command on its stage.
    fn eg_on_aws(&self, arguments: &[&str]) -> Transcript {
        self.eg(&[arguments, &["--region", "eu-central-1", "--endpoint-url", &self.aws.url]].concat())
    }

    /// Deploys it, built with the profile for tests.
    fn deploy(&self, more: &[&str]) -> Transcript {
        let build = ["deploy", "--architecture", ARCHITECTURE, "--cargo-profile", "dev"];
        self.eg_on_aws(&[&build, more].concat())
    }
}

/// Returns the folder of this repository.
fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns the target directory of this test.
fn target() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned()
}
