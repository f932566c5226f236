//! The table that is printed: one row for each goal of an attack.

use std::error::Error;

/// One goal and what became of it.
pub(crate) struct Row {
    goal: String,
    figure: String,
    held: bool,
}

impl Row {
    pub(crate) fn new(goal: impl Into<String>, figure: impl Into<String>, held: bool) -> Self {
        Self { goal: goal.into(), figure: figure.into(), held }
    }

    /// A figure that must not exceed a limit.
    pub(crate) fn at_most(what: &str, figure: f64, limit: f64, unit: &str) -> Self {
        Self::new(format!("{what} ≤ {limit}{unit}"), format!("{figure:.0}{unit}"), figure <= limit)
    }

    /// A part of one that must be reached.
    pub(crate) fn share(what: &str, part: f64, least: f64) -> Self {
        Self::new(format!("{what} ≥ {least}"), format!("{part:.2}"), part >= least)
    }
}

/// The rows so far.
#[derive(Default)]
pub(crate) struct Table(Vec<(String, Row)>);

impl Table {
    pub(crate) fn add(&mut self, attack: &str, row: Row) {
        self.0.push((attack.to_owned(), row));
    }

    /// Adds an attack that could not be carried out.
    pub(crate) fn failed(&mut self, attack: &str, error: &(dyn Error + Send + Sync)) {
        self.add(attack, Row::new("the gateway answers", error.to_string(), false));
    }

    /// Prints the table to standard output, and the rows that do not hold to standard error: the last lines say what failed.
    pub(crate) fn print(&self) {
        println!("| attack | goal | figure | |\n|---|---|--:|---|");
        for (attack, Row { goal, figure, held }) in &self.0 {
            let held = if *held { "held" } else { "**not held**" };
            println!("| {attack} | {goal} | {figure} | {held} |");
        }
        for (attack, Row { goal, figure, .. }) in self.0.iter().filter(|(_, row)| !row.held) {
            eprintln!("not held: {attack}: {goal}: {figure}");
        }
    }

    pub(crate) fn holds(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|(_, row)| row.held)
    }
}
