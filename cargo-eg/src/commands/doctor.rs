//! `cargo eg doctor`: says what keeps `cargo eg` from working on this machine.

use super::{current_folder, json_line, print};
use crate::cli;
use crate::console::text::{BLUE, GREEN, RED, YELLOW, columns, styled};
use crate::doctor::{Finding, Level, Machine, examine};
use crate::exit::{Exit, Failure};

pub(crate) fn run(arguments: &cli::Doctor) -> Result<(), Failure> {
    let findings = examine(&Machine::look(&current_folder()?));
    if arguments.json {
        print(&findings.iter().map(json_line).collect::<Result<String, _>>()?)?;
    } else {
        print(&shown(&findings))?;
    }
    if findings.iter().any(|finding| finding.level == Level::Error) {
        return Err(Failure::silent(Exit::Failed));
    }
    Ok(())
}

fn shown(findings: &[Finding]) -> String {
    let rows: Vec<[String; 3]> = findings
        .iter()
        .flat_map(|finding| {
            let level = match finding.level {
                Level::Good => styled(GREEN, "ok"),
                Level::Note => styled(BLUE, "note"),
                Level::Warning => styled(YELLOW, "warning"),
                Level::Error => styled(RED, "error"),
            };
            let first = [level, finding.about.to_owned(), finding.found.clone()];
            let fix = finding.fix.iter().map(|fix| [String::new(), String::new(), fix.clone()]);
            std::iter::once(first).chain(fix)
        })
        .collect();
    columns(&rows)
}
