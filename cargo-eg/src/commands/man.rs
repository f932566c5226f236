//! `cargo eg man`: writes manual pages, one for each command.

use clap::CommandFactory as _;

use super::print;
use crate::cli::{Cli, Man};
use crate::exit::{Exit, Failure};

pub(crate) fn run(arguments: &Man) -> Result<(), Failure> {
    let folder = &arguments.folder;
    let failed =
        |error| Failure::because(Exit::Failed, format!("cannot write to {}", folder.display()), error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    // `man cargo eg` looks for the page `cargo-eg`.
    clap_mangen::generate_to(Cli::command().name("cargo-eg").bin_name("cargo-eg"), folder).map_err(failed)?;
    print(&format!(
        "the manual pages are in {}; `man {}` shows the first\n",
        folder.display(),
        folder.join("cargo-eg.1").display()
    ))
}
