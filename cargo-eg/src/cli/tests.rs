use std::path::Path;

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use super::*;

#[test]
fn the_definitions_agree_with_each_other() {
    Cli::command().debug_assert();
}

/// The flags of the Serverless Framework: `emit -e NAME -d DATA`, `logs -f NAME -t`.
#[test]
fn short_flags_mean_the_long_ones() {
    for (short, long) in [
        ("emit -e user.created -d {}", "emit --event user.created --data {}"),
        ("logs -f greet -t", "logs --function greet --tail"),
        ("invoke greet -d {}", "invoke greet --data {}"),
    ] {
        let parse = |line: &str| Cli::try_parse_from(["cargo-eg"].into_iter().chain(line.split(' ')));
        assert_eq!(format!("{:?}", parse(short).unwrap()), format!("{:?}", parse(long).unwrap()));
    }
}

#[test]
fn hosts_are_checked_before_anything_is_built() {
    let parse = |host: &str| Cli::try_parse_from(["cargo-eg", "run", "--allowed-host", host]);
    for host in ["host.docker.internal", "*.dev.example", "10.1.2.3"] {
        assert!(parse(host).is_ok(), "{host}");
    }
    let error = parse("http://dev.example").unwrap_err().to_string();
    assert!(error.contains("`http://dev.example` is not a host: write a name like `dev.example`"), "{error}");
}

#[test]
fn cargos_own_argument_is_dropped_once() {
    let check = |given: &[&str], expected: &[&str]| {
        assert_eq!(arguments(given.iter().map(OsString::from).collect()), expected);
    };
    check(&["cargo-eg", "eg", "run"], &["cargo-eg", "run"]);
    check(&["cargo-eg", "run", "eg"], &["cargo-eg", "run", "eg"]);
    check(&["cargo-eg", "eg", "run", "eg"], &["cargo-eg", "run", "eg"]);
    check(&["cargo-eg"], &["cargo-eg"]);
}

/// The files whose text may name commands: the sources of this program with their messages and help texts, and the
/// documents.
fn texts() -> Vec<(String, String)> {
    fn visit(path: &Path, found: &mut Vec<(String, String)>) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if name.starts_with('.') || ["target", "tests", "goldens", "benches"].contains(&&*name) {
                return;
            }
            for entry in std::fs::read_dir(path).unwrap() {
                visit(&entry.unwrap().path(), found);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" || name.ends_with(".md") {
            found.push((path.display().to_string(), std::fs::read_to_string(path).unwrap()));
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for place in ["README.md", "docs", "cargo-eg/src", "eg-runtime", "eg-local", "examples", "services"] {
        visit(&root.join(place), &mut found);
    }
    found
}

/// Returns the commands in a text: between backquotes, or on a line of their own.
fn commands(text: &str) -> Vec<String> {
    const BEGIN: &str = "cargo eg ";
    let mut commands = Vec::new();
    for line in text.lines() {
        let line = line.trim_start_matches(|c: char| c.is_whitespace() || "/!$#".contains(c));
        if line.starts_with(BEGIN) {
            // What follows in the same string, or beside it as a comment, is another line.
            let end = ["\\n", "  ", "\";"].iter().filter_map(|end| line.find(end)).min();
            commands.push(line[..end.unwrap_or(line.len())].to_owned());
            continue;
        }
        let quoted = line.split('`').skip(1).step_by(2);
        commands.extend(quoted.filter(|quoted| quoted.starts_with(BEGIN)).map(str::to_owned));
    }
    commands
}

/// Splits a command as a shell does. What follows a pipe or a redirection is left out, as are comments.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('\'' | '"', None) => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            ('|' | '>' | '#', None) => break,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Puts values in the place of what the user or the program fills in: `NUMBER`, `{id}`.
fn filled(word: &str) -> String {
    let is_blank = word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase());
    if is_blank || word == "{id}" || word == "{}" || word == "…" {
        return "1".to_owned();
    }
    word.to_owned()
}

/// Whether the words only name a command, or an option of it: its arguments are described elsewhere.
fn is_name(words: &[String]) -> bool {
    let mut command = Cli::command();
    words.iter().enumerate().all(|(at, word)| {
        if let Some(option) = word.strip_prefix("--") {
            let is_option = command.get_arguments().any(|known| known.get_long() == Some(option));
            return is_option && at + 1 == words.len();
        }
        match command.find_subcommand(word).cloned() {
            Some(found) => {
                command = found;
                true
            }
            None => false,
        }
    })
}

#[test]
fn commands_in_messages_and_documents_are_valid() {
    let (mut checked, mut mistakes) = (0, Vec::new());
    for (file, text) in texts() {
        for command in commands(&text) {
            let words = words(&command);
            let is_help = words.iter().any(|word| ["--help", "--version", "help"].contains(&&**word));
            if is_help || is_name(&words[2..]) {
                continue;
            }
            let arguments = words[1..].iter().map(|word| filled(word));
            // A text may leave out what is not its subject.
            let parsed = Cli::try_parse_from(arguments);
            if let Err(error) = parsed.map_err(Box::new)
                && error.kind() != ErrorKind::MissingRequiredArgument
            {
                let error = error.to_string();
                mistakes.push(format!("{file}: `{command}`: {}", error.lines().next().unwrap_or_default()));
            }
            checked += 1;
        }
    }
    assert!(mistakes.is_empty(), "{mistakes:#?}");
    assert!(checked > 60, "{checked} commands");
}
