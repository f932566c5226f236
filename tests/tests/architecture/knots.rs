//! Finds knots: modules of a crate that need each other in a circle, directly or through others. `modules` reads the
//! sources; `main` sets the limit.
//!
//! How it counts:
//! * It compares siblings, at every level of the tree. A sibling stands for its own file and all files below it.
//! * A sibling needs another if one of its files names something that one of the other's files defines: in a `use`, in
//!   code, or in the arguments of a macro. Comments, method calls and `#[cfg(test)]` do not count.
//! * The members of a knot are the files by which its siblings need each other.
//! * A re-exported item belongs to the module that defines it. `use module::*` needs that module.
//! * What a parent and its own children need of each other does not count. The crate's root is the parent of all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::modules::Module;

/// Siblings that need each other in a circle.
pub(super) struct Knot {
    /// The files that connect them, as the paths of their modules.
    pub(super) members: BTreeSet<String>,
    /// The reasons, one per line: which file needs which, and a name that it uses.
    needs: Vec<String>,
}

/// The modules of a crate by their paths.
type Tree<'a> = BTreeMap<&'a [String], &'a Module>;

/// Which sibling needs which: the two files and a name of the second that the first uses.
type Needs = BTreeMap<String, BTreeMap<String, BTreeMap<[String; 2], String>>>;

/// Returns all knots of a crate, the largest first.
pub(super) fn of(modules: &[Module]) -> Vec<Knot> {
    let tree: Tree<'_> = modules.iter().map(|module| (module.path.as_slice(), module)).collect();
    let parents: BTreeSet<&[String]> =
        tree.keys().filter_map(|path| path.split_last()).map(|(_, parent)| parent).collect();
    let mut knots = Vec::new();
    for parent in parents {
        let needs = needs(parent, &tree);
        knots.extend(circles(&needs).iter().map(|siblings| describe(siblings, &needs)));
    }
    knots.sort_by_key(|knot| Reverse(knot.members.len()));
    knots
}

/// Returns what the children of `parent` need of each other.
fn needs(parent: &[String], tree: &Tree<'_>) -> Needs {
    let child = |path: &[String]| Some(path.strip_prefix(parent)?.first()?.clone());
    let mut needs = Needs::new();
    for module in tree.values() {
        let Some(from) = child(&module.file) else { continue };
        for path in &module.named {
            let Some(owner) = resolve(path, module, tree, Scope::Code) else { continue };
            if let Some(to) = child(&owner.file).filter(|to| *to != from) {
                let files = [module.file.join("::"), owner.file.join("::")];
                let needed = needs.entry(from.clone()).or_default().entry(to).or_default();
                needed.insert(files, path.join("::"));
            }
        }
    }
    needs
}

/// Where the first name of a path is looked up.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    /// Among all names in the module, including imports.
    Code,
    /// Among the names that the module defines: imports do not build on other imports.
    Import,
}

/// Returns the module that defines the item which `path` names in `module`, or the last module on the way there.
/// Returns `None` if the item belongs to another crate.
fn resolve<'a>(path: &[String], module: &'a Module, tree: &Tree<'a>, scope: Scope) -> Option<&'a Module> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => descend(tree.get([].as_slice())?, rest, tree),
        "self" => descend(module, rest, tree),
        "super" => descend(tree.get(module.path.split_last()?.1)?, rest, tree),
        name => {
            let known =
                module.items.contains(name) || scope == Scope::Code && module.imports.contains_key(name);
            known.then(|| descend(module, path, tree)).flatten()
        }
    }
}

/// Like [`resolve`], for a path that begins in `module`.
fn descend<'a>(module: &'a Module, path: &[String], tree: &Tree<'a>) -> Option<&'a Module> {
    let Some((name, rest)) = path.split_first() else { return Some(module) };
    if name == "super" {
        return descend(tree.get(module.path.split_last()?.1)?, rest, tree);
    }
    if let Some(child) = tree.get([module.path.as_slice(), std::slice::from_ref(name)].concat().as_slice()) {
        return descend(child, rest, tree);
    }
    if module.items.contains(name) {
        return Some(module);
    }
    if let Some(import) = module.imports.get(name) {
        let target = [import.as_slice(), rest].concat();
        return resolve(&target, module, tree, Scope::Import);
    }
    let globs = module.globs.iter().filter_map(|glob| resolve(glob, module, tree, Scope::Import));
    let mut having = globs.filter(|other| other.items.contains(name) || other.imports.contains_key(name));
    having.next().map_or(Some(module), |other| descend(other, path, tree))
}

/// Returns the sets of two or more siblings that can all be reached from each other.
fn circles(needs: &Needs) -> Vec<Vec<&str>> {
    let reachable: BTreeMap<&str, BTreeSet<&str>> =
        needs.keys().map(|from| (from.as_str(), reachable(from, needs))).collect();
    let mut circles = Vec::new();
    let mut done = BTreeSet::new();
    for (&from, reached) in &reachable {
        let returns = |to: &&str| reachable.get(to).is_some_and(|back| back.contains(from));
        let circle: Vec<_> = reached.iter().copied().filter(returns).collect();
        if !done.contains(from) && circle.len() > 1 {
            done.extend(circle.iter().copied());
            circles.push(circle);
        }
    }
    circles
}

fn reachable<'a>(from: &str, needs: &'a Needs) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(next) = open.pop() {
        for to in needs.get(next).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(to.as_str()) {
                open.push(to);
            }
        }
    }
    reached
}

fn describe(siblings: &[&str], needs: &Needs) -> Knot {
    let mut knot = Knot { members: BTreeSet::new(), needs: Vec::new() };
    for from in siblings {
        let inside = needs[*from].iter().filter(|(to, _)| siblings.contains(&to.as_str()));
        for (files, name) in inside.flat_map(|(_, files)| files) {
            knot.needs.push(format!("{} needs {}: {name}", files[0], files[1]));
            knot.members.extend(files.iter().cloned());
        }
    }
    knot
}

impl fmt::Display for Knot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<_> = self.members.iter().map(String::as_str).collect();
        write!(f, "{} of {}\n  {}", members.len(), members.join(", "), self.needs.join("\n  "))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Knot, of};
    use crate::modules::of_crate;

    /// Returns the knots of a crate with these files, each as its members.
    fn knots(files: &[(&str, &str)]) -> Vec<String> {
        let read = |path: &Path| {
            let file = files.iter().find(|(name, _)| Path::new("src").join(name) == path);
            file.map(|(_, text)| (*text).to_owned())
        };
        let knots = of(&of_crate(Path::new("src/lib.rs"), &read));
        let members = |knot: &Knot| knot.members.iter().cloned().collect::<Vec<_>>().join(" ");
        knots.iter().map(members).collect()
    }

    #[test]
    fn arrows_in_one_direction_are_no_knot() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c; pub use a::A;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            ("b.rs", "use crate::c::C; pub struct B(C, std::fmt::Error);"),
            ("c.rs", "pub struct C;"),
        ];
        assert!(knots(&files).is_empty());
    }

    #[test]
    fn a_circle_is_found_wherever_the_name_stands() {
        for name in [
            "use crate::a::A;",
            "use crate::{a::{self, A}};",
            "use super::a::*;",
            "fn f(_: crate::a::A) {}",
            "fn f() { use crate::a::{A as _}; }",
            "fn f() { println!(\"{}\", crate::a::A::new()) }",
            "impl From<crate::a::A> for B { fn from(_: crate::a::A) -> Self { B } }",
            "mod inner { fn f() { super::super::a::f() } }",
            "use crate::A;",
            "use crate::a; fn f() { a::f() }",
        ] {
            let b = format!("pub struct B; {name}");
            let files = [
                ("lib.rs", "mod a; mod b; pub use a::A;"),
                ("a.rs", "pub struct A(crate::b::B);"),
                ("b.rs", &b),
            ];
            assert_eq!(knots(&files), ["a b"], "{name}");
        }
    }

    #[test]
    fn tests_comments_and_other_crates_do_not_count() {
        for text in [
            "#[cfg(test)] mod tests { use crate::a::A; }",
            "#[cfg(test)] mod tests;",
            "#[cfg(test)] use crate::a::A;",
            "#[cfg(test)] fn f(_: crate::a::A) {}",
            "/// Like [`A`](crate::a::A).\nfn f() {}",
            "fn f() { other::a::A::new(); std::mem::drop(1) }",
            "pub(crate) fn f() { \"crate::a::A\"; }",
        ] {
            let b = format!("pub struct B; {text}");
            let files = [("lib.rs", "mod a; mod b;"), ("a.rs", "pub struct A(crate::b::B);"), ("b.rs", &b)];
            assert!(knots(&files).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_reexported_item_belongs_to_the_module_that_defines_it() {
        let files = [
            ("lib.rs", "mod data; mod user; mod work; pub use work::Item;"),
            ("data.rs", "pub struct Item(crate::user::User);"),
            ("user.rs", "pub struct User; fn f(_: crate::work::Item) {}"),
            ("work.rs", "pub use crate::data::Item; fn f() { crate::user::f() }"),
        ];
        assert_eq!(knots(&files), ["data user"], "`work` is only on the way");
    }

    #[test]
    fn a_parent_and_its_children_are_no_knot_but_siblings_are_at_every_level() {
        let files = [
            ("lib.rs", "mod top; mod other;"),
            ("other.rs", "use crate::top::Top;"),
            ("top/mod.rs", "mod a; mod b; mod c; pub struct Top(a::A); use self::b::B;"),
            ("top/a.rs", "pub struct A; use super::Top; use super::B;"),
            ("top/b.rs", "pub struct B; use super::c::C;"),
            ("top/c.rs", "pub struct C; fn f() { super::a::f() }"),
        ];
        assert_eq!(knots(&files), ["top::a top::b top::c"]);
    }

    #[test]
    fn a_module_stands_for_all_files_below_it() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a/mod.rs", "mod deep; pub use deep::Deep;"),
            ("a/deep.rs", "pub struct Deep(crate::b::B);"),
            ("b/mod.rs", "pub struct B; mod low;"),
            ("b/low.rs", "fn f(_: crate::a::Deep) {}"),
        ];
        assert_eq!(knots(&files), ["a::deep b b::low"]);
    }

    #[test]
    fn the_largest_knot_comes_first_with_the_names_that_close_it() {
        let files = [
            ("lib.rs", "mod a; mod b; mod x; mod y; mod z;"),
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use crate::a::A; use crate::x::X;"),
            ("x.rs", "use crate::y::Y;"),
            ("y.rs", "use crate::z::Z;"),
            ("z.rs", "use crate::x::X;"),
        ];
        assert_eq!(knots(&files), ["x y z", "a b"], "`b` needs the other knot, which does not need it");
        let read = |path: &Path| {
            let name = path.file_name()?.to_str()?;
            Some(files.iter().find(|(file, _)| *file == name)?.1.to_owned())
        };
        let knots = of(&of_crate(Path::new("src/lib.rs"), &read));
        assert_eq!(
            knots[0].to_string(),
            "3 of x, y, z\n  x needs y: crate::y::Y\n  y needs z: crate::z::Z\n  z needs x: crate::x::X"
        );
    }
}
