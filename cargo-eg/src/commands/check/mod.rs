//! `cargo eg check`: checks whether the services fit together. The checks themselves are in `crate::check`.

mod start;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use eg_sdk::manifest::Manifest;
use serde_json::json;

use super::app::Loaded;
use super::{current_folder, print};
use crate::check::{Class, Finding, Service, Severity, check, render, unstartable};
use crate::cli;
use crate::console::text::{GREEN, coloured, count};
use crate::exit::{Exit, Failure};
use crate::project::{Project, Wanted};

pub(crate) async fn run(arguments: cli::Check) -> Result<(), Failure> {
    let cli::Check { selection, start, allow, deny, json } = arguments;
    let wanted = Wanted::from(selection);
    let current = current_folder()?;
    let loaded = Loaded::of(&Project::find(&current, &wanted)?).await?;
    let services: Vec<Service> =
        loaded.services.iter().map(|service| Service::of(&service.manifest)).collect();
    let beside = if wanted.names_services() { None } else { Project::beside(&current, &wanted.build)? };
    let (mut findings, others) = match beside {
        Some(all) => {
            let all = all.load().await?;
            let others = all.len().saturating_sub(services.len());
            let all: Vec<Service> = all.iter().map(|service| Service::of(&service.manifest)).collect();
            (concerning(&services, check(&all)), others)
        }
        None => (check(&services), 0),
    };
    if start {
        findings.extend(unstartable(&services, &start::failures(&loaded.services).await?));
    }
    let findings = judged(findings, &allow, &deny);
    let functions = services.iter().map(|service| service.functions.len()).sum();
    let worst = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.class)
        .min();
    if json {
        let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
        let report = json!({"services": names, "functions": functions, "findings": findings});
        print(&format!("{report}\n"))?;
    } else {
        for finding in &findings {
            let text = render::finding(finding, |file, line| source_line(&loaded.roots, file, line));
            anstream::eprintln!("{}", coloured(&text));
        }
    }
    let mut looked_at = format!("{}, {}", count(services.len(), "service"), count(functions, "function"));
    if others > 0 {
        looked_at += &format!(", beside {}", count(others, "other service"));
    }
    let Some(worst) = worst else {
        let found = render::summary(&findings);
        let found = if found.is_empty() { "no problems found".to_owned() } else { found };
        anstream::eprintln!("{GREEN}checked{GREEN:#} {looked_at}: {found}");
        return Ok(());
    };
    let found = render::summary(&findings);
    // An error message has no colours of its own.
    let found = anstream::adapter::strip_str(&found);
    Err(Failure::new(exit(worst), format!("checked {looked_at}: {found}")))
}

/// Refuses services that do not fit together, with the errors among the findings about them. What is less is left to `check`.
pub(super) fn refuse<'a>(
    manifests: impl Iterator<Item = &'a Manifest>,
    roots: &[PathBuf],
) -> Result<(), Failure> {
    let services: Vec<Service> = manifests.map(Service::of).collect();
    let mut findings = judged(check(&services), &[], &[]);
    findings.retain(|finding| finding.severity == Severity::Error);
    for finding in &findings {
        let text = render::finding(finding, |file, line| source_line(roots, file, line));
        anstream::eprintln!("{}", coloured(&text));
    }
    match findings.iter().map(|finding| finding.class).min() {
        None => Ok(()),
        Some(worst) => {
            let message = format!("the services do not fit together: {}", count(findings.len(), "error"));
            Err(Failure::new(exit(worst), message).hint("`cargo eg check` shows all findings"))
        }
    }
}

/// Returns the findings in which a function of `services` has a part.
fn concerning(services: &[Service], findings: Vec<Finding>) -> Vec<Finding> {
    let own: BTreeSet<&str> =
        services.iter().flat_map(|service| &service.functions).map(|function| function.id.as_str()).collect();
    let concerns = |finding: &Finding| finding.places.iter().any(|place| own.contains(&*place.function));
    findings.into_iter().filter(concerns).collect()
}

/// Removes allowed findings, turns denied ones into errors, and sorts the most severe first.
fn judged(findings: Vec<Finding>, allow: &[String], deny: &[String]) -> Vec<Finding> {
    let named = |list: &[String], class: Class| list.iter().any(|name| name == class.name());
    let mut findings: Vec<Finding> = findings
        .into_iter()
        .filter(|finding| !named(allow, finding.class))
        .map(|mut finding| {
            let all_warnings = deny.iter().any(|name| name == "warnings");
            if named(deny, finding.class) || (all_warnings && finding.severity == Severity::Warning) {
                finding.severity = Severity::Error;
            }
            finding
        })
        .collect();
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.class));
    findings
}

fn exit(class: Class) -> Exit {
    match class {
        Class::DuplicateId => Exit::DuplicateId,
        Class::RouteConflict => Exit::RouteConflict,
        Class::SchemaMismatch => Exit::SchemaMismatch,
        Class::BadName => Exit::BadName,
        Class::NeverEmitted => Exit::NeverEmitted,
        Class::Loop => Exit::Loop,
        Class::NeverSubscribed => Exit::NeverSubscribed,
        Class::CannotStart => Exit::CannotStart,
        Class::BufferedStream => Exit::BufferedStream,
        Class::UnmatchedAuthorizer => Exit::UnmatchedAuthorizer,
        Class::NoRoute => Exit::NoRoute,
        Class::GatewayOnly => Exit::GatewayOnly,
    }
}

/// Returns a line of a source file, whose path is relative to the root of its workspace.
fn source_line(roots: &[PathBuf], file: &str, line: usize) -> Option<String> {
    let read = |root: &PathBuf| std::fs::read_to_string(root.join(Path::new(file))).ok();
    let text = roots.iter().find_map(read)?;
    text.lines().nth(line.checked_sub(1)?).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::CLASSES;

    #[test]
    fn findings_are_allowed_and_denied_by_class() {
        let finding = |class: Class| Finding {
            class,
            severity: class.severity(),
            message: String::new(),
            places: Vec::new(),
            facts: Vec::new(),
            help: None,
        };
        let check = |allow: &[&str], deny: &[&str], expected: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            let found = judged(CLASSES.map(finding).into(), &owned(allow), &owned(deny));
            let errors = found.iter().filter(|finding| finding.severity == Severity::Error);
            assert_eq!(errors.map(|finding| finding.class.name()).collect::<Vec<_>>(), expected);
        };
        let errors = ["duplicate-id", "route-conflict", "schema-mismatch", "bad-name", "cannot-start"];
        check(&[], &[], &errors);
        check(&["bad-name", "duplicate-id"], &[], &["route-conflict", "schema-mismatch", "cannot-start"]);
        check(&errors, &["warnings"], &["never-emitted", "loop", "unmatched-authorizer"]);
        check(&errors, &["loop", "never-subscribed"], &["loop", "never-subscribed"]);
        check(&CLASSES.map(Class::name), &["warnings"], &[]);
    }
}
