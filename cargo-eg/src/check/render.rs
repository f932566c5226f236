//! Renders findings as text in the layout of rustc's messages. The caller provides the source lines.

use std::fmt::Write as _;

use anstyle::Style;

use super::{Finding, Place, Severity};
use crate::console::text::{BLUE, BOLD, GREEN, RED, YELLOW, count};

/// Renders one finding. `line` returns a line of a source file if it exists.
pub(crate) fn finding(finding: &Finding, line: impl Fn(&str, usize) -> Option<String>) -> String {
    let style = style(finding.severity);
    let Finding { class, message, places, facts, help, .. } = finding;
    let mut text =
        format!("{style}{}[{}]{style:#}{BOLD}: {message}{BOLD:#}\n", word(finding.severity), class.name());
    let at = |place: &Place| {
        place
            .source
            .rsplit_once(':')
            .and_then(|(file, line)| Some((file.to_owned(), line.parse::<usize>().ok()?)))
    };
    let digits = places.iter().filter_map(at).map(|(_, line)| line.to_string().len()).max().unwrap_or(1);
    let margin = " ".repeat(digits);
    for place in places {
        let role = if place.role.is_empty() { String::new() } else { format!(": {}", place.role) };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{margin}{BLUE}-->{BLUE:#} {} {}{role}", place.source, place.function);
        if let Some((file, number)) = at(place)
            && let Some(code) = line(&file, number)
        {
            let _ = writeln!(text, "{margin} {BLUE}|{BLUE:#}");
            let code = if code.trim().is_empty() { String::new() } else { format!(" {}", code.trim_end()) };
            let _ = writeln!(text, "{BLUE}{number:>digits$} |{BLUE:#}{code}");
            let _ = writeln!(text, "{margin} {BLUE}|{BLUE:#}");
        }
    }
    for fact in facts {
        let _ = writeln!(text, "{margin} {BLUE}={BLUE:#} {BOLD}{}{BOLD:#} {}", fact.path, fact.problem);
    }
    if let Some(help) = help {
        let _ = writeln!(text, "{margin} {BLUE}={BLUE:#} {GREEN}help{GREEN:#}: {help}");
    }
    text
}

/// Counts the findings by severity: `2 errors, 1 warning`.
pub(crate) fn summary(findings: &[Finding]) -> String {
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let counts: Vec<String> = [Severity::Error, Severity::Warning, Severity::Note]
        .into_iter()
        .filter(|severity| of(*severity) > 0)
        .map(|severity| {
            let style = style(severity);
            format!("{style}{}{style:#}", count(of(severity), word(severity)))
        })
        .collect();
    counts.join(", ")
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Error => RED.bold(),
        Severity::Warning => YELLOW.bold(),
        Severity::Note => GREEN.bold(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Class, Fact};
    use super::*;

    #[test]
    fn a_finding_looks_like_a_message_of_the_compiler() {
        let place = |source: &str, function: &str, role: &str| Place {
            source: source.to_owned(),
            function: function.to_owned(),
            role: role.to_owned(),
        };
        let mut found = Finding::new(
            Class::SchemaMismatch,
            "users emits a.b that mail-on cannot read".to_owned(),
            vec![place("users.rs:7", "users-make", "emits a.b"), place("gone.rs:120", "mail-on", "")],
        )
        .help("use one type");
        found.facts.push(Fact { path: "data.email".to_owned(), problem: "is never written".to_owned() });
        let text = finding(&found, |file, line| (file == "users.rs").then(|| format!("    line {line}  ")));
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            "error[schema-mismatch]: users emits a.b that mail-on cannot read\n   \
             --> users.rs:7 users-make: emits a.b\n    |\n  7 |     line 7\n    |\n   --> gone.rs:120 mail-on\n    \
             = data.email is never written\n    = help: use one type\n"
        );
        assert_eq!(anstream::adapter::strip_str(&summary(&[found.clone(), found])).to_string(), "2 errors");
    }
}
