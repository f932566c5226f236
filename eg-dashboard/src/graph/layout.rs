//! Places the nodes of a graph in columns, so that most edges lead from left to right, and few of them cross.

use std::collections::VecDeque;

use super::{Edge, Graph};

/// How often the nodes of the columns are ordered by their neighbours.
const SWEEPS: usize = 8;

/// The place of a node: its column and row, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) column: usize,
    pub(crate) row: usize,
}

/// Returns the place of each node.
pub(crate) fn place(graph: &Graph) -> Vec<Spot> {
    let columns = columns(graph.nodes.len(), &graph.edges);
    let width = columns.iter().max().map_or(0, |last| last + 1);
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); width];
    for (node, column) in columns.iter().enumerate() {
        order[*column].push(node);
    }
    let mut rows = vec![0.0; graph.nodes.len()];
    number(&order, &mut rows);
    for sweep in 0..SWEEPS {
        let forward: Vec<usize> = (0..width).collect();
        let way: Vec<usize> = if sweep % 2 == 0 { forward } else { forward.into_iter().rev().collect() };
        for column in way {
            // The middle of the neighbours; a node without any stays.
            let middle = |node: usize, rows: &[f64]| {
                let neighbours = graph.edges.iter().filter_map(|edge| match edge {
                    edge if edge.from == node => Some(edge.to),
                    edge if edge.to == node => Some(edge.from),
                    _ => None,
                });
                let (sum, count) =
                    neighbours.fold((0.0, 0.0), |(sum, count), other| (sum + rows[other], count + 1.0));
                if count > 0.0 { sum / count } else { rows[node] }
            };
            let mut wanted: Vec<(f64, usize)> =
                order[column].iter().map(|&node| (middle(node, &rows), node)).collect();
            wanted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            order[column] = wanted.into_iter().map(|(_, node)| node).collect();
            number(&order, &mut rows);
        }
    }
    let mut spots = vec![Spot { column: 0, row: 0 }; graph.nodes.len()];
    for (column, nodes) in order.iter().enumerate() {
        for (row, node) in nodes.iter().enumerate() {
            spots[*node] = Spot { column, row };
        }
    }
    spots
}

/// Writes the rows of the nodes, as parts of the height of their columns.
fn number(order: &[Vec<usize>], rows: &mut [f64]) {
    for nodes in order {
        for (row, node) in nodes.iter().enumerate() {
            #[allow(clippy::cast_precision_loss, reason = "a page shows some hundred nodes at most")]
            let part = (row as f64 + 0.5) / nodes.len() as f64;
            rows[*node] = part;
        }
    }
}

/// Returns the column of each node: one more than that of all nodes that lead to it. Edges that close a loop do not count.
fn columns(nodes: usize, edges: &[Edge]) -> Vec<usize> {
    let mut open = vec![0_usize; nodes];
    edges.iter().for_each(|edge| open[edge.to] += 1);
    let mut columns = vec![0_usize; nodes];
    let mut done = vec![false; nodes];
    let mut ready: VecDeque<usize> = (0..nodes).filter(|node| open[*node] == 0).collect();
    for _ in 0..nodes {
        // If only loops are left, they are opened where the fewest edges lead back.
        let next = ready
            .pop_front()
            .or_else(|| (0..nodes).filter(|node| !done[*node]).min_by_key(|node| open[*node]));
        let Some(node) = next else { break };
        done[node] = true;
        for edge in edges.iter().filter(|edge| edge.from == node && !done[edge.to]) {
            columns[edge.to] = columns[edge.to].max(columns[node] + 1);
            open[edge.to] -= 1;
            if open[edge.to] == 0 {
                ready.push_back(edge.to);
            }
        }
    }
    // What begins a way stands beside what it leads to.
    let targets = |node: usize| edges.iter().filter(move |edge| edge.from == node).map(|edge| edge.to);
    for node in 0..nodes {
        let is_start = !edges.iter().any(|edge| edge.to == node);
        if let Some(nearest) = targets(node).map(|to| columns[to]).min().filter(|_| is_start) {
            columns[node] = nearest.saturating_sub(1);
        }
    }
    columns
}
