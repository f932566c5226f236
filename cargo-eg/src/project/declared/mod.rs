//! Reads `eg.toml`, which declares functions that are not written in Rust, into a manifest and the programs behind
//! it, and reports mistakes in it. Starting the programs is left to `run`.
//!
//! ```toml
//! service = "pictures"            # else the folder's name
//!
//! [[function]]
//! name = "resize"
//! command = ["python3", "-m", "awslambdaric", "app.resize"]
//! triggers = [{ event = "picture.uploaded", retry = { attempts = 5 } }, { http = "POST /pictures/{id}" }]
//!
//! [[function]]
//! name = "archive"
//! url = "http://localhost:8080/archive"
//! triggers = [{ event = "picture.resized" }]
//! ```

mod convert;
mod format;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use eg_grammar::{check_service_name, did_you_mean, list, text_without_bom};
use eg_sdk::manifest::Manifest;
use serde_path_to_error::Segment;

use self::convert::Misplaced;
use self::format::{File, ServiceName, Text};
use crate::exit::{Exit, Failure};

/// The name of the file.
pub(crate) const FILE: &str = "eg.toml";

/// The version of services that declare none.
const VERSION: &str = "0.0.0";

/// The functions of one `eg.toml`.
#[derive(Debug)]
pub(crate) struct Declaration {
    pub(crate) manifest: Manifest,
    /// The folder of the file, which is where the programs run.
    pub(crate) folder: PathBuf,
    /// The program for each function id; a function at a URL has none.
    pub(crate) programs: BTreeMap<String, Program>,
}

/// A program that gets its events from the Runtime API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    pub(crate) handler: String,
    pub(crate) environment: BTreeMap<String, String>,
}

impl Program {
    /// Returns the files in `folder` that the command names: programs, scripts, settings.
    pub(crate) fn named_files(&self, folder: &Path) -> impl Iterator<Item = PathBuf> {
        let paths = self.command.iter().map(move |word| folder.join(word));
        paths.filter(move |path| path.starts_with(folder) && path.is_file())
    }
}

/// Reads the file at `path`.
pub(crate) fn read(path: &Path) -> Result<Declaration, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Exit::NotFound, format!("cannot read {}: {error}", path.display())))?;
    let folder = path.parent().unwrap_or(path);
    declaration(&text, folder).map_err(|mistake| {
        let place = mistake.at.map(|at| format!(":{at}")).unwrap_or_default();
        Failure::new(Exit::Usage, format!("{}{place}: {}", path.display(), mistake.text)).hint(
            "a function has a `name`, a `command` or a `url`, and `triggers`, each with `event`, `http`, `schedule` or \
             `queue`; `cargo eg run --help` shows an example",
        )
    })
}

/// What is wrong with a file.
#[derive(Debug)]
struct Wrong {
    /// The line and the column of the mistake, from 1, as `line:column`. `None` if it concerns the whole file.
    at: Option<String>,
    text: String,
}

impl Wrong {
    fn file(text: impl Into<String>) -> Self {
        Self { at: None, text: text.into() }
    }
}

fn declaration(text: &str, folder: &Path) -> Result<Declaration, Wrong> {
    let text = text_without_bom(text);
    let place = |at: Range<usize>| Some(position(text, at.start));
    let File { service, function } = parse(text, place)?;
    let service = match service {
        Some(Text(ServiceName(name))) => name,
        None => {
            let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            check_service_name(&name)
                .map_err(|mistake| Wrong::file(format!("{mistake}; name it with `service = \"…\"`")))?;
            name
        }
    };
    if function.is_empty() {
        return Err(Wrong::file("it declares no functions: add a [[function]]"));
    }
    let (mut functions, mut programs) = (Vec::<eg_sdk::manifest::Function>::new(), BTreeMap::new());
    for declared in function {
        let name = &declared.get_ref().name;
        let at = name.span();
        let line = line(text, at.start);
        if functions.iter().any(|other| other.name == name.get_ref().0.0) {
            let text = format!("another function is called `{}` too: rename one of them", name.get_ref().0.0);
            return Err(Wrong { at: place(at), text });
        }
        let (function, program) = convert::function(&service, &format!("{FILE}:{line}"), declared)
            .map_err(|Misplaced { at, text }| Wrong { at: place(at), text })?;
        if let Some(program) = program {
            programs.insert(function.id.clone(), program);
        }
        functions.push(function);
    }
    let manifest = Manifest::new(service, VERSION, functions);
    Ok(Declaration { manifest, folder: folder.to_owned(), programs })
}

fn parse(text: &str, place: impl Fn(Range<usize>) -> Option<String>) -> Result<File, Wrong> {
    let document = toml::Deserializer::parse(text)
        .map_err(|error| Wrong { at: error.span().and_then(&place), text: error.message().to_owned() })?;
    serde_path_to_error::deserialize(document).map_err(|error| {
        let key = error.path().iter().filter_map(key).next_back().map(str::to_owned);
        let error = error.into_inner();
        Wrong { at: error.span().and_then(&place), text: explained(error.message(), key.as_deref()) }
    })
}

/// Returns the key of a segment of a path to a value. `Spanned` adds segments of its own.
fn key(segment: &Segment) -> Option<&str> {
    match segment {
        Segment::Map { key } if !key.starts_with('$') => Some(key),
        _ => None,
    }
}

/// Returns the message of a value that cannot be read. serde's messages about unknown words get a hint, others name the
/// key.
fn explained(message: &str, key: Option<&str>) -> String {
    // ``unknown field `a`, expected one of `b`, `c` ``
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (kind, kinds) = match message {
        _ if message.starts_with("unknown field ") => ("key", "the keys here are"),
        _ if message.starts_with("unknown variant ") => ("value", "the values are"),
        _ if message.starts_with("missing field ") => return message.replacen("field", "key", 1),
        _ => {
            return match key {
                Some(key) if !message.contains(&format!("`{key}`")) => format!("`{key}`: {message}"),
                _ => message.to_owned(),
            };
        }
    };
    let Some((word, known)) = words.split_first() else { return message.to_owned() };
    format!("unknown {kind} `{word}`{}; {kinds} {}", did_you_mean(word, known), list(known))
}

/// Returns the line of a place in the text, from 1.
fn line(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Returns `line:column` of a place in the text, from 1.
fn position(text: &str, at: usize) -> String {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    format!("{}:{}", line(text, at), text[start..at].chars().count() + 1)
}

#[cfg(test)]
mod tests;
