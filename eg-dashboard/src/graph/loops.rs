//! Finds the loops of a graph: the groups of nodes that lead to each other, with Kosaraju's algorithm, without recursion.

use super::Edge;

/// Returns for each node the loop that it is part of, as a number; `None` if no way leads back to it.
pub(super) fn loops(nodes: usize, edges: &[Edge]) -> Vec<Option<usize>> {
    let (mut onward, mut back) = (vec![Vec::new(); nodes], vec![Vec::new(); nodes]);
    for edge in edges {
        onward[edge.from].push(edge.to);
        back[edge.to].push(edge.from);
    }
    let mut seen = vec![false; nodes];
    let mut ended = Vec::with_capacity(nodes);
    for start in 0..nodes {
        visit(start, &onward, &mut seen, |node| ended.push(node));
    }
    let mut seen = vec![false; nodes];
    let mut loops = vec![None; nodes];
    for (number, start) in ended.into_iter().rev().enumerate() {
        let mut group = Vec::new();
        visit(start, &back, &mut seen, |node| group.push(node));
        // Functions and their triggers alternate, so no node leads to itself.
        if group.len() > 1 {
            group.into_iter().for_each(|node| loops[node] = Some(number));
        }
    }
    loops
}

/// Visits what can be reached and was not seen before; passes each node to `end` after everything behind it.
fn visit(start: usize, next: &[Vec<usize>], seen: &mut [bool], mut end: impl FnMut(usize)) {
    if std::mem::replace(&mut seen[start], true) {
        return;
    }
    let mut way = vec![(start, next[start].iter())];
    while let Some((node, rest)) = way.last_mut() {
        match rest.next() {
            Some(&to) if !std::mem::replace(&mut seen[to], true) => way.push((to, next[to].iter())),
            Some(_) => {}
            None => {
                end(*node);
                way.pop();
            }
        }
    }
}
