//! The subcommands: check, repair, backup, restore and migrate for stores, and the manual page. The library does the work; `download`
//! fetches a backup from a running gateway.

use std::io::{self, Write as _};
#[cfg(feature = "postgres")]
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Subcommand};
#[cfg(feature = "postgres")]
use eg_gateway::MoveReport;
use eg_gateway::StoreError;

#[cfg(feature = "postgres")]
use super::USAGE;
use super::{DAMAGED, FAILED, code, download};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check a store, or a backup, without changing it: structure, checksums, accounting, and whether the end is missing
    Check {
        /// Directory of the store, or file of a backup
        path: PathBuf,
    },
    /// Save what is sound in a damaged store into a new one, and list what is lost; the damaged one stays as it is
    Repair {
        /// Directory of the damaged store; no gateway may be using it
        dir: PathBuf,
        /// Directory of the new store [default: DIR.repaired]
        new: Option<PathBuf>,
    },
    /// Copy the store of a running gateway into a file, while events are accepted and delivered
    ///
    /// If the gateway has an access key, set $EVENT_GATEWAY_ACCESS_KEY. Without this command:
    /// `curl -X POST http://localhost:4001/v1/backup -o FILE`.
    Backup {
        /// File to create
        file: PathBuf,
        /// URL of the gateway's Config API (http)
        #[arg(long, value_name = "URL", default_value = "http://localhost:4001")]
        config_url: String,
    },
    /// Move a store from a directory into a PostgreSQL database: events, history, dead letters and configuration
    ///
    /// Stop the gateways that use either of them. The store in the directory stays; do not start a gateway with it again,
    /// because it would deliver the same events.
    #[cfg(feature = "postgres")]
    Migrate {
        /// Directory of the store
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
        /// URL of an empty database, as for `event-gateway --store` [default: $EVENT_GATEWAY_STORE]
        #[arg(long, value_name = "URL")]
        store: Option<String>,
    },
    /// Print the manual page
    #[command(hide = true)]
    Man,
    /// Make a store from a backup; events that were accepted after the backup are not in it
    Restore {
        /// File of the backup
        file: PathBuf,
        /// Directory of the new store; it must not exist
        dir: PathBuf,
    },
}

/// Prints the manual page of the program.
fn man() -> ExitCode {
    let mut page = Vec::new();
    let made = clap_mangen::Man::new(super::Cli::command()).render(&mut page);
    match made.and_then(|()| io::stdout().write_all(&page)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot print the manual page: {error}");
            ExitCode::from(FAILED)
        }
    }
}

impl Command {
    /// Runs the command. Results go to stdout, errors to stderr.
    pub(super) fn run(self) -> ExitCode {
        match self {
            Self::Man => man(),
            Self::Check { path } => match eg_gateway::check(&path) {
                Ok(report) if report.problems.is_empty() => {
                    println!("{}: sound: {}", path.display(), report.summary);
                    ExitCode::SUCCESS
                }
                Ok(report) => {
                    for problem in &report.problems {
                        println!("{problem}");
                    }
                    let shown = path.display();
                    let advice = if path.is_dir() {
                        format!("put back what is missing, or run `event-gateway repair {shown}`")
                    } else {
                        "use another backup".to_owned()
                    };
                    eprintln!("error: {shown} is damaged or incomplete; {advice}");
                    ExitCode::from(DAMAGED)
                }
                Err(error) => failed(&error),
            },
            Self::Repair { dir, new } => {
                let new = new.unwrap_or_else(|| {
                    let mut new = dir.clone().into_os_string();
                    new.push(".repaired");
                    PathBuf::from(new)
                });
                match eg_gateway::repair(&dir, &new) {
                    Ok(report) => {
                        for lost in &report.lost {
                            println!("lost: {lost}");
                        }
                        let (events, deliveries, resources) =
                            (report.events, report.deliveries, report.resources);
                        println!("saved: {events} events, {deliveries} deliveries, {resources} resources");
                        eprintln!(
                            "start the gateway with --embed-data-dir {}, or move it to the place of {}",
                            new.display(),
                            dir.display()
                        );
                        ExitCode::SUCCESS
                    }
                    Err(error) => failed(&error),
                }
            }
            Self::Backup { file, config_url } => match download::backup(&config_url, &file) {
                Ok(bytes) => {
                    println!("{}: {bytes} bytes", file.display());
                    ExitCode::SUCCESS
                }
                Err(error) => {
                    eprintln!("error: {error}");
                    ExitCode::from(FAILED)
                }
            },
            #[cfg(feature = "postgres")]
            Self::Migrate { from, store } => migrate(&from, store.as_deref()),
            Self::Restore { file, dir } => match eg_gateway::restore(&file, &dir) {
                Ok(summary) => {
                    println!("{}: {summary}", dir.display());
                    ExitCode::SUCCESS
                }
                Err(StoreError::Damaged { dir: backup, reason }) => {
                    eprintln!("error: the backup {} is damaged; use another one: {reason}", backup.display());
                    ExitCode::from(DAMAGED)
                }
                Err(error) => failed(&error),
            },
        }
    }
}

fn failed(error: &StoreError) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(code(error))
}

#[cfg(feature = "postgres")]
fn migrate(from: &Path, store: Option<&str>) -> ExitCode {
    let variable = |name: &str| std::env::var(name).ok();
    let url = match super::store::url(store, variable) {
        Ok(Some(url)) => url,
        Ok(None) => {
            eprintln!("error: name the database: --store postgres://USER:PASSWORD@HOST/DATABASE");
            return ExitCode::from(USAGE);
        }
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(USAGE);
        }
    };
    super::block_on(async {
        match eg_gateway::migrate(from, &url).await {
            Ok(MoveReport { events, deliveries, resources, .. }) => {
                println!("moved: {events} events, {deliveries} deliveries, {resources} resources");
                eprintln!(
                    "start the gateway with --store, and not with {} again: it would deliver the same events",
                    from.display()
                );
                ExitCode::SUCCESS
            }
            Err(error) => failed(&error),
        }
    })
}
