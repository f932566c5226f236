//! The guide becomes a book, and its links lead somewhere: so do those of all READMEs.

#![allow(clippy::unwrap_used, reason = "a panic is the failure message")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mdbook_driver::MDBook;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Returns the pages of the guide.
fn pages() -> Vec<PathBuf> {
    let files = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect()
}

/// Returns the other documents that people read.
fn readmes() -> Vec<PathBuf> {
    let names = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];
    let crates = [
        "cargo-eg",
        "eg-dashboard",
        "eg-gateway",
        "eg-grammar",
        "eg-local",
        "eg-macros",
        "eg-runtime",
        "eg-sdk",
    ];
    let applications = ["services/registration", "services/shop"];
    let of_folders = crates.into_iter().chain(applications).map(|folder| format!("{folder}/README.md"));
    names.into_iter().map(str::to_owned).chain(of_folders).map(|name| root().join(name)).collect()
}

/// The links of a document, and the anchors that others can link to.
#[derive(Default)]
struct Document {
    links: Vec<String>,
    anchors: BTreeSet<String>,
}

fn read(path: &Path) -> Document {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut document = Document::default();
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                document.anchors.extend(heading.take().map(|heading| anchor(&heading)));
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                document.links.push(dest_url.into_string());
            }
            _ => {}
        }
    }
    document
}

/// Returns the anchor of a heading, as GitHub and mdBook make it.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Returns what is wrong with the links of a document.
fn broken(path: &Path) -> Vec<String> {
    let document = read(path);
    let is_elsewhere = |link: &str| link.contains("://") || link.starts_with("mailto:");
    let mut broken = Vec::new();
    for link in document.links.iter().filter(|link| !is_elsewhere(link)) {
        let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() { path.to_owned() } else { path.parent().unwrap().join(file) };
        if !target.exists() {
            broken.push(format!("{}: `{link}` is no file", path.display()));
        } else if !fragment.is_empty() && !read(&target).anchors.contains(fragment) {
            broken.push(format!("{}: `{link}` is no heading", path.display()));
        }
    }
    broken
}

#[test]
fn links_lead_somewhere() {
    let documents: Vec<PathBuf> = pages().into_iter().chain(readmes()).collect();
    let broken: Vec<String> = documents.iter().flat_map(|path| broken(path)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let links: usize = documents.iter().map(|path| read(path).links.len()).sum();
    assert!(links > 100, "only {links} links are checked");
}

#[test]
fn a_broken_link_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.md");
    fs::write(
        &page,
        "# One `two`, three\n\n[a](#one-two-three) [b](#four) [c](missing.md) [d](https://example.com)\n",
    )
    .unwrap();
    let broken = broken(&page);
    assert_eq!(broken.len(), 2, "{broken:?}");
    assert!(broken[0].ends_with("`#four` is no heading") && broken[1].ends_with("`missing.md` is no file"));
}

#[test]
fn every_page_is_in_the_book() {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    for page in pages() {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("]({name})")), "{name} is in no chapter");
    }
}

#[test]
fn the_guide_becomes_a_book() {
    let folder = tempfile::tempdir().unwrap();
    let mut book = MDBook::load(root().join("docs")).unwrap();
    book.config.build.build_dir = folder.path().to_owned();
    book.build().unwrap();
    for page in ["index.html", "first-steps.html", "reference.html"] {
        let html = fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(html.contains("<nav") && html.contains("Event Gateway for Rust"), "{page}");
    }
    assert!(folder.path().join("images/dashboard-event.webp").exists());
}
