//! Writes a graph for other programs: Mermaid, which Markdown on many sites shows, and DOT, the language of Graphviz.

use std::fmt::Write as _;

use eg_grammar::printable;

use super::{Graph, Kind, Node, Remark};

impl Graph {
    /// Returns the graph as a Mermaid flowchart.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut text = "flowchart LR\n".to_owned();
        self.grouped(|service, nodes| {
            if let Some((at, service)) = service {
                let _ = writeln!(text, "    subgraph s{at}[\"{}\"]", mermaid(service));
            }
            for (at, node) in nodes {
                let name = mermaid(node.label());
                let shape = match node.kind {
                    Kind::Function => format!("[\"{name}\"]"),
                    Kind::Event => format!("([\"{name}\"])"),
                    Kind::Route => format!("[/\"{name}\"/]"),
                    Kind::Schedule => format!("{{{{\"{name}\"}}}}"),
                    Kind::Queue | Kind::Stream => format!("[(\"{name}\")]"),
                };
                let _ = writeln!(text, "    n{at}{shape}");
            }
            if service.is_some() {
                text += "    end\n";
            }
        });
        for edge in &self.edges {
            let arrow = if edge.waits { "-->" } else { "-.->" };
            let _ = writeln!(text, "    n{} {arrow} n{}", edge.from, edge.to);
        }
        let marked = self.marked().map(|at| format!("n{at}")).collect::<Vec<_>>();
        if !marked.is_empty() {
            let _ = writeln!(
                text,
                "    classDef odd stroke:#b01818,stroke-width:2px\n    class {} odd",
                marked.join(",")
            );
        }
        text
    }

    /// Returns the graph as one line of JSON.
    ///
    /// # Panics
    /// Never: names are strings.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("every key is a string") + "\n"
    }

    /// Returns the graph in the language of Graphviz.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut text =
            "digraph application {\n    rankdir=LR;\n    node [fontname=\"sans-serif\"];\n".to_owned();
        let marked: Vec<usize> = self.marked().collect();
        self.grouped(|service, nodes| {
            if let Some((at, service)) = service {
                let _ = writeln!(text, "    subgraph cluster_{at} {{\n    label={};", quoted(service));
            }
            for (at, node) in nodes {
                let shape = match node.kind {
                    Kind::Function => "box",
                    Kind::Event => "ellipse",
                    Kind::Route => "parallelogram",
                    Kind::Schedule => "hexagon",
                    Kind::Queue | Kind::Stream => "cylinder",
                };
                let colour = if marked.contains(&at) { ", color=\"#b01818\"" } else { "" };
                let _ = writeln!(text, "    n{at} [label={}, shape={shape}{colour}];", quoted(node.label()));
            }
            if service.is_some() {
                text += "    }\n";
            }
        });
        for edge in &self.edges {
            let style = if edge.waits { "" } else { " [style=dashed]" };
            let _ = writeln!(text, "    n{} -> n{}{style};", edge.from, edge.to);
        }
        text + "}\n"
    }

    /// Passes the functions of each service, and then everything else, to `write`.
    fn grouped<'a>(&'a self, mut write: impl FnMut(Option<(usize, &'a str)>, Vec<(usize, &'a Node)>)) {
        let of = |service: Option<&str>| -> Vec<(usize, &'a Node)> {
            let nodes = self.nodes.iter().enumerate();
            nodes.filter(|(_, node)| node.service.as_deref() == service).collect()
        };
        for (at, service) in self.services().into_iter().enumerate() {
            write(Some((at, service)), of(Some(service)));
        }
        write(None, of(None));
    }

    /// Returns the nodes that are remarkable.
    fn marked(&self) -> impl Iterator<Item = usize> {
        self.nodes.iter().enumerate().filter(|(_, node)| !node.remarks.is_empty()).map(|(at, _)| at)
    }
}

impl Node {
    /// Returns the name within the service.
    #[must_use]
    pub fn label(&self) -> &str {
        let prefix = self.service.as_deref().and_then(|service| self.name.strip_prefix(service));
        prefix.and_then(|rest| rest.strip_prefix('-')).filter(|rest| !rest.is_empty()).unwrap_or(&self.name)
    }
}

impl Remark {
    /// Returns the remark in words.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::NeverEmitted => "no function emits it",
            Self::NeverSubscribed => "no function subscribes to it",
            Self::NeverCalled => "nothing calls it",
            Self::Loop => "it may lead back to itself",
        }
    }
}

/// Escapes a text between quotes of Mermaid, which shows it as HTML.
fn mermaid(text: &str) -> String {
    let mut escaped = String::new();
    for c in printable(text).chars() {
        match c {
            '"' | '#' | '&' | '<' | '>' | ';' | '`' | '\\' => {
                let _ = write!(escaped, "#{};", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Returns a text in the quotes of DOT.
fn quoted(text: &str) -> String {
    format!("\"{}\"", printable(text).replace('\\', "\\\\").replace('"', "\\\""))
}
