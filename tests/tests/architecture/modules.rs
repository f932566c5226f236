//! Reads the modules of a crate from its sources: where each is, what it imports and defines, and which paths it
//! names. `knots` decides what the paths mean.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Attribute, Item, ItemMod, UseTree};

/// A module of a crate. An inline module is part of its file.
pub(super) struct Module {
    /// The names from the crate's root down to this module; empty for the root itself.
    pub(super) path: Vec<String>,
    /// The path of the module whose file contains this one.
    pub(super) file: Vec<String>,
    /// The names that `use` brings into scope, with their paths.
    pub(super) imports: BTreeMap<String, Vec<String>>,
    /// The paths of `use path::*`.
    pub(super) globs: Vec<Vec<String>>,
    /// The names of the items that are defined here, child modules included.
    pub(super) items: BTreeSet<String>,
    /// The paths that this module names, in `use` and in code.
    pub(super) named: BTreeSet<Vec<String>>,
}

/// Reads a source file; returns `None` if it does not exist.
pub(super) type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// Returns all modules of the crate whose root is the file `root`, except test modules.
///
/// # Panics
/// If a file is missing or cannot be parsed.
pub(super) fn of_crate(root: &Path, read: Read<'_>) -> Vec<Module> {
    let mut modules = Vec::new();
    let folder = root.parent().expect("the root of a crate is in a folder");
    read_file(root, folder, &[], read, &mut modules);
    modules
}

fn read_file(file: &Path, folder: &Path, path: &[String], read: Read<'_>, modules: &mut Vec<Module>) {
    let text = read(file).unwrap_or_else(|| panic!("there is no {}", file.display()));
    let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    read_items(&parsed.items, folder, path, path, read, modules);
}

/// Reads the items of a module whose child modules have their files in `folder`.
fn read_items(
    items: &[Item],
    folder: &Path,
    path: &[String],
    file: &[String],
    read: Read<'_>,
    modules: &mut Vec<Module>,
) {
    let mut module = Module {
        path: path.to_vec(),
        file: file.to_vec(),
        imports: BTreeMap::new(),
        globs: Vec::new(),
        items: BTreeSet::new(),
        named: BTreeSet::new(),
    };
    for item in items {
        match item {
            Item::Mod(child) if is_test(&child.attrs) => {}
            Item::Mod(child) => {
                let name = child.ident.to_string();
                module.items.insert(name.clone());
                let path = [path, std::slice::from_ref(&name)].concat();
                match &child.content {
                    Some((_, items)) => {
                        read_items(items, &folder.join(name), &path, file, read, modules);
                    }
                    None => {
                        let source = file_of(child, folder, read);
                        read_file(&source, &folder.join(name), &path, read, modules);
                    }
                }
            }
            Item::Use(import) if is_test(&import.attrs) => {}
            Item::Use(import) => read_use(&import.tree, &[], &mut module),
            other => {
                let (name, attributes) = identity(other);
                if !is_test(attributes) {
                    module.items.extend(name.map(ToString::to_string));
                    read_paths(other.to_token_stream(), &[], &mut module.named);
                }
            }
        }
    }
    modules.push(module);
}

/// Returns the file of `mod child;`.
fn file_of(child: &ItemMod, folder: &Path, read: Read<'_>) -> PathBuf {
    let name = child.ident.to_string();
    let files = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
    let found = files.iter().find(|file| read(file).is_some());
    found
        .unwrap_or_else(|| panic!("neither {} nor {} exists", files[0].display(), files[1].display()))
        .clone()
}

fn read_use(tree: &UseTree, before: &[String], module: &mut Module) {
    let with = |name: &dyn ToString| [before, &[name.to_string()]].concat();
    match tree {
        UseTree::Path(path) => read_use(&path.tree, &with(&path.ident), module),
        UseTree::Name(name) if name.ident == "self" => {
            import(module, before.last().cloned(), before.to_vec());
        }
        UseTree::Name(name) => import(module, Some(name.ident.to_string()), with(&name.ident)),
        UseTree::Rename(name) if name.ident == "self" => {
            import(module, Some(name.rename.to_string()), before.to_vec());
        }
        UseTree::Rename(name) => import(module, Some(name.rename.to_string()), with(&name.ident)),
        UseTree::Glob(_) => {
            module.named.insert(before.to_vec());
            module.globs.push(before.to_vec());
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| read_use(tree, before, module)),
    }
}

fn import(module: &mut Module, name: Option<String>, path: Vec<String>) {
    module.named.insert(path.clone());
    module.imports.extend(name.map(|name| (name, path)));
}

/// Returns the name of an item and its attributes.
fn identity(item: &Item) -> (Option<&Ident>, &[Attribute]) {
    match item {
        Item::Const(item) => (Some(&item.ident), &item.attrs),
        Item::Enum(item) => (Some(&item.ident), &item.attrs),
        Item::Fn(item) => (Some(&item.sig.ident), &item.attrs),
        Item::Impl(item) => (None, &item.attrs),
        Item::Macro(item) => (item.ident.as_ref(), &item.attrs),
        Item::Static(item) => (Some(&item.ident), &item.attrs),
        Item::Struct(item) => (Some(&item.ident), &item.attrs),
        Item::Trait(item) => (Some(&item.ident), &item.attrs),
        Item::Type(item) => (Some(&item.ident), &item.attrs),
        Item::Union(item) => (Some(&item.ident), &item.attrs),
        _ => (None, &[]),
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

/// Finds the paths of two or more names in code, even inside macro calls. `before` is the path in front of the braces
/// of `use path::{…}`, and empty everywhere else.
fn read_paths(tokens: TokenStream, before: &[String], paths: &mut BTreeSet<Vec<String>>) {
    let mut path: Option<Vec<String>> = None;
    let mut end = |path: &mut Option<Vec<String>>| paths.extend(path.take().filter(|path| path.len() > 1));
    let mut groups = Vec::new();
    let mut colons = 0;
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ':' => {
                colons += 1;
                continue;
            }
            TokenTree::Ident(name) => {
                if colons != 2 {
                    end(&mut path);
                }
                let path = path.get_or_insert_with(|| before.to_vec());
                // In braces, `self` is the path in front of them.
                if name != "self" || path.is_empty() {
                    path.push(name.to_string());
                }
            }
            TokenTree::Group(group) => {
                let is_use = colons == 2 && group.delimiter() == Delimiter::Brace;
                let before = path.take_if(|_| is_use).unwrap_or_default();
                groups.push((group.stream(), before));
                end(&mut path);
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => end(&mut path),
        }
        colons = 0;
    }
    end(&mut path);
    for (tokens, before) in groups {
        read_paths(tokens, &before, paths);
    }
}
