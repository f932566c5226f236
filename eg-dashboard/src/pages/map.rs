//! The map of the application: what leads to which functions, and what those emit. `graph` derives it from the registrations.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};

use crate::failure::Failure;
use crate::frame::{Part, page};
use crate::graph::layout::{Spot, place as spots};
use crate::graph::{Edge, Graph, Kind, Node, Remark};
use crate::reading::Fields;
use crate::visitor::Visitor;
use crate::{command, place, show};

/// The maximum number of nodes of a drawing. A larger one would take long, and nobody could read it.
const DRAWN: usize = 200;

/// The maximum number of nodes of a page that lists them. Larger graphs can be downloaded.
const LISTED: usize = 2_000;

/// The size of a node, and the distances of columns and rows.
const WIDTH: usize = 210;
const HEIGHT: usize = 40;
const COLUMN: usize = 290;
const ROW: usize = 56;
const MARGIN: usize = 12;

/// The number of odd parts that are listed at once.
const FEW: usize = 4;

/// The maximum number of characters in a node.
const LABEL: usize = 23;

async fn read(visitor: &Visitor, query: &Fields) -> Result<(Graph, Graph), Failure> {
    let (functions, subscriptions) = (visitor.gateway.functions(), visitor.gateway.subscriptions());
    let (functions, subscriptions) = tokio::try_join!(functions.list(), subscriptions.list())?;
    let whole = Graph::of(&functions, &subscriptions);
    let shown = match query.get("service") {
        Some(service) => whole.of_service(service),
        None => whole.clone(),
    };
    Ok((whole, shown))
}

/// `GET …/map`
pub(crate) async fn show(visitor: Visitor, query: Fields) -> Result<Response, Failure> {
    let space = visitor.gateway.space();
    let (whole, graph) = read(&visitor, &query).await?;
    let service = query.text("service");
    let body = html! {
        div .title {
            h1 { "Map" }
            p .legend-of-map .quiet {
                span .key .route { "request" } " " span .key .function { "function" } " " span .key .event { "event" } " "
                span .key .queue { "schedule, queue, stream" } " Solid line: a client waits for the answer. Dashed line: nobody waits."
            }
        }
        @if whole.nodes.is_empty() {
            p .empty { "No functions are registered in this space. " code { "cargo eg run" } " registers those of your services." }
        } @else {
            (services(space, &whole.services(), service))
            (odd(space, &graph))
            @if graph.nodes.len() > DRAWN {
                p .empty { "The map has " (show::grouped(graph.nodes.len() as u64)) " parts, too many for a drawing. Choose a service, or download the graph." }
            } @else {
                div .scroll tabindex="0" role="region" aria-label="Drawing of the map" { (drawing(space, &graph)) }
            }
            @if graph.nodes.len() <= LISTED { details { summary { "As a table" } (table(space, &graph)) } }
            details {
                summary { "As Mermaid, DOT or JSON" }
                p {
                    @for format in ["mermaid", "dot", "json"] {
                        a href={ (place::in_space(space, "/map/graph")) (place::query([("format", format), ("service", service)])) } { (format) } " "
                    }
                    "The same graph is printed by " code { (command::cargo_eg("default", &["graph", "--format", "mermaid"])) } "."
                }
                @if graph.nodes.len() <= LISTED { pre data-copy { (graph.to_mermaid()) } }
            }
        }
    };
    Ok(page(&visitor, Part::Map, "Map", &body))
}

/// `GET …/map/graph?format=mermaid|dot|json`: the graph, for download.
pub(crate) async fn download(visitor: Visitor, query: Fields) -> Result<Response, Failure> {
    let (_, graph) = read(&visitor, &query).await?;
    let (text, media_type, name) = match query.text("format") {
        "" | "mermaid" => (graph.to_mermaid(), "text/vnd.mermaid", "attachment; filename=\"map.mmd\""),
        "dot" => (graph.to_dot(), "text/vnd.graphviz", "attachment; filename=\"map.dot\""),
        "json" => (graph.to_json(), "application/json", "attachment; filename=\"map.json\""),
        _ => return Err(Failure::BadQuery),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(name)),
    ];
    Ok((headers, text).into_response())
}

/// Returns the links to the maps of the services.
fn services(space: &str, services: &[&str], current: &str) -> Markup {
    let link = |service: &str, text: &str| {
        html! {
            a href={ (place::in_space(space, "/map")) (place::query([("service", service)])) } aria-current=[(service == current).then_some("page")] { (show::text(text)) }
        }
    };
    html! {
        @if services.len() > 1 {
            nav .tabs aria-label="Services" { (link("", "all services")) @for service in services { (link(service, service)) } }
        }
    }
}

/// Lists what is odd. A long list does not push the drawing off the screen.
fn odd(space: &str, graph: &Graph) -> Markup {
    let odd: Vec<&Node> = graph.nodes.iter().filter(|node| !node.remarks.is_empty()).collect();
    let list = html! {
        ul .odd .notice .wait aria-label="What is odd" {
            @for node in &odd {
                li {
                    (linked(space, node, &node.name)) ": "
                    (node.remarks.iter().map(|remark| remark.in_words()).collect::<Vec<_>>().join(", "))
                    @if node.remarks.contains(&Remark::NeverEmitted) { ", unless another program does" }
                }
            }
        }
    };
    html! {
        @match odd.len() {
            0 => {},
            1..=FEW => (list),
            many => details { summary { (many) " parts are odd" } (list) },
        }
    }
}

/// Returns the page about a node.
fn address(space: &str, node: &Node) -> Option<String> {
    match node.kind {
        Kind::Event => {
            // The type, without the place where clients post it.
            let ty = node.name.split(" at ").next().unwrap_or_default();
            Some(place::in_space(space, &format!("/events{}", place::query([("type", ty)]))))
        }
        Kind::Function => {
            let query = place::query([("function", node.name.as_str())]);
            Some(place::in_space(space, &format!("/events{query}")))
        }
        _ => None,
    }
}

fn linked(space: &str, node: &Node, text: &str) -> Markup {
    html! {
        @match address(space, node) {
            Some(address) => a href=(address) { (show::text(text)) },
            None => (show::text(text)),
        }
    }
}

const fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Route => "route",
        Kind::Event => "event",
        Kind::Function => "function",
        Kind::Schedule | Kind::Queue | Kind::Stream => "queue",
    }
}

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Route => "request",
        Kind::Event => "event",
        Kind::Function => "function",
        Kind::Schedule => "schedule",
        Kind::Queue => "queue",
        Kind::Stream => "stream",
    }
}

fn drawing(space: &str, graph: &Graph) -> Markup {
    let spots = spots(graph);
    let most = |of: fn(&Spot) -> usize| spots.iter().map(of).max().unwrap_or_default();
    let rows_of = |column| spots.iter().filter(|spot| spot.column == column).count();
    let rows = most(|spot| spot.row) + 1;
    // Columns are centred, so that few edges are long.
    let at = |node: usize| {
        let Spot { column, row } = spots[node];
        let x = MARGIN + column * COLUMN;
        let y = MARGIN + row * ROW + (rows - rows_of(column)) * ROW / 2;
        (x, y)
    };
    let width = 2 * MARGIN + most(|spot| spot.column) * COLUMN + WIDTH;
    let height = 2 * MARGIN + rows * ROW - (ROW - HEIGHT);
    html! {
        svg .map width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } role="group" aria-label="Map" {
            defs {
                @for end in ["end", "odd-end"] {
                    marker id=(end) viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto" { path .(end) d="M0 0 L10 5 L0 10 z" {} }
                }
            }
            @for edge in &graph.edges { (line(*edge, at(edge.from), at(edge.to))) }
            @for (number, node) in graph.nodes.iter().enumerate() { (box_of(space, node, at(number))) }
        }
    }
}

/// Draws an edge: dashed if nobody waits for the answer.
fn line(edge: Edge, from: (usize, usize), to: (usize, usize)) -> Markup {
    let (x1, y1) = (from.0 + WIDTH, from.1 + HEIGHT / 2);
    let (x2, y2) = (to.0, to.1 + HEIGHT / 2);
    let bend = (x2.saturating_sub(x1) / 2).max(40);
    // The way back of a loop bends around its nodes.
    let second = if x2 > bend { format!("{}", x2 - bend) } else { format!("-{}", bend - x2) };
    let path = format!("M{x1} {y1} C{} {y1} {second} {y2} {x2} {y2}", x1 + bend);
    let end = if edge.in_loop { "url(#odd-end)" } else { "url(#end)" };
    html! { path .line .waits[edge.waits] .odd[edge.in_loop] d=(path) marker-end=(end) {} }
}

fn box_of(space: &str, node: &Node, (x, y): (usize, usize)) -> Markup {
    let label = show::text(node.label());
    let short = match label.char_indices().nth(LABEL) {
        Some((end, _)) => format!("{}…", label[..end].trim_end()),
        None => label,
    };
    let is_odd = !node.remarks.is_empty();
    let round = if node.kind == Kind::Event { HEIGHT / 2 } else { 7 };
    let mut about = format!("{} {}", word(node.kind), show::text(&node.name));
    for remark in &node.remarks {
        about += &format!(": {}", remark.in_words());
    }
    let shape = html! {
        g .node .(class(node.kind)) .odd[is_odd] {
            title { (about) }
            rect x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx=(round) {}
            @match node.service.as_deref() {
                Some(service) => {
                    text x=(x + 14) y=(y + 17) { (short) }
                    text .service x=(x + 14) y=(y + 32) { (show::text(service)) }
                },
                None => text x=(x + 14) y=(y + 25) { (short) },
            }
        }
    };
    html! {
        @match address(space, node) {
            Some(address) => a href=(address) { (shape) },
            None => (shape),
        }
    }
}

fn table(space: &str, graph: &Graph) -> Markup {
    let functions = graph.nodes.iter().enumerate().filter(|(_, node)| node.kind == Kind::Function);
    let others = |edges: Vec<usize>| {
        html! {
            @for (number, at) in edges.into_iter().enumerate() {
                @if number > 0 { ", " }
                (linked(space, &graph.nodes[at], &graph.nodes[at].name))
            }
        }
    };
    let causes = |at| graph.edges.iter().filter(|edge| edge.to == at).map(|edge| edge.from).collect();
    let effects = |at| graph.edges.iter().filter(|edge| edge.from == at).map(|edge| edge.to).collect();
    html! {
        div .scroll tabindex="0" role="region" aria-label="Functions" {
            table {
                thead { tr { th { "Function" } th { "Service" } th { "Called by" } th { "Emits" } th { "Source" } } }
                tbody {
                    @for (at, node) in functions {
                        tr {
                            th scope="row" { (linked(space, node, &node.name)) }
                            td { (show::text(node.service.as_deref().unwrap_or_default())) }
                            td { (others(causes(at))) }
                            td { (others(effects(at))) }
                            td { @if let Some(source) = &node.source { code { (show::text(source)) } } }
                        }
                    }
                }
            }
        }
    }
}
