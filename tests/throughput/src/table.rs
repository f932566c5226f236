//! Formats the results as one table, with the goals that they are compared with.

use crate::load::Load;

/// The rows, in Markdown.
#[derive(Default)]
pub struct Table(Vec<[String; 6]>);

/// The goal for a figure.
#[derive(Clone, Copy)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Table {
    /// Adds several runs of the same load: their medians, beside those of axum under that load.
    pub fn load(&mut self, name: &str, loads: &[Load], axum: f64, goal: Option<Goal>) {
        let of = |f: fn(&Load) -> f64| median(loads.iter().map(f));
        let failed: u64 = loads.iter().map(|load| load.failed).sum();
        let note = if failed > 0 { format!(" ({failed} failed)") } else { String::new() };
        let rate = of(|load| load.per_second);
        let [p50, p99] = [of(|load| load.p50), of(|load| load.p99)].map(|latency| format!("{latency:.1}"));
        self.row(format!("{name}{note}"), format!("{rate:.0}/s"), [p50, p99], ratio(rate / axum), goal, rate);
    }

    /// Adds a rate, beside that of axum.
    pub fn rate(&mut self, name: &str, rate: f64, axum: f64, goal: Option<Goal>) {
        self.row(name.to_owned(), format!("{rate:.0}/s"), Default::default(), ratio(rate / axum), goal, rate);
    }

    /// Adds latencies, as a ratio to others.
    pub fn latency(&mut self, name: &str, p99: f64, of: Option<f64>, goal: Option<Goal>) {
        let measured = of.map_or_else(String::new, |of| ratio(p99 / of));
        let judged = of.map_or(p99, |of| p99 / of);
        self.row(
            name.to_owned(),
            measured,
            [String::new(), format!("{p99:.1}")],
            String::new(),
            goal,
            judged,
        );
    }

    /// Adds any other row.
    pub fn figure(&mut self, name: &str, value: f64, unit: &str, goal: Option<Goal>) {
        let measured = format!("{value:.0} {unit}");
        self.row(name.to_owned(), measured, Default::default(), String::new(), goal, value);
    }

    fn row(
        &mut self,
        name: String,
        measured: String,
        [p50, p99]: [String; 2],
        axum: String,
        goal: Option<Goal>,
        value: f64,
    ) {
        let judge = |sign, limit: f64, met| {
            let limit = if limit < 10.0 { format!("{limit:.1}") } else { format!("{limit:.0}") };
            format!("{sign} {limit}: {}", if met { "met" } else { "missed" })
        };
        let goal = match goal {
            Some(Goal::AtLeast(limit)) => judge('≥', limit, value >= limit),
            Some(Goal::AtMost(limit)) => judge('≤', limit, value <= limit),
            None => String::new(),
        };
        self.0.push([name, measured, p50, p99, axum, goal]);
    }

    pub fn print(&self) {
        println!("| | measured | p50 ms | p99 ms | of axum | goal |\n|---|--:|--:|--:|--:|---|");
        for cells in &self.0 {
            println!("| {} |", cells.join(" | "));
        }
    }
}

fn ratio(ratio: f64) -> String {
    format!("{ratio:.2} ×")
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
