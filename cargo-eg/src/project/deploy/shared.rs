//! Checks the tables and queues that functions of several services share. Their variables are left to `variables`.

use std::collections::BTreeMap;

use eg_grammar::QueueName;
use toml::Spanned;

use super::format::{self, Action, ExistingQueue, KeyAttribute, Map};
use super::named::{At, Named};
use super::variables::checked_name;
use crate::project::mistake::Wrong;
use crate::project::values::Text;

/// A table of DynamoDB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// The variable with the name of the table.
    pub(crate) variable: String,
    /// The services whose functions get the variable and the rights.
    pub(crate) services: Vec<Named>,
    /// What these functions may do.
    pub(crate) actions: Vec<Action>,
    pub(crate) kept: Kept,
}

/// Who makes a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The stack, with this key.
    Here {
        partition_key: KeyAttribute,
        sort_key: Option<KeyAttribute>,
        /// The attribute with the time at which an item expires, in seconds since 1970.
        ttl: Option<String>,
    },
    /// Somebody else: its name or its ARN.
    Elsewhere(String),
}

/// A queue to which functions send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queue {
    /// The variable with the URL of the queue.
    pub(crate) variable: String,
    /// The services whose functions get the variable and the right to send.
    pub(crate) services: Vec<Named>,
    /// The queue of somebody else. `None`: the stack makes it.
    pub(crate) existing: Option<ExistingQueue>,
}

/// The tables and queues of a stage, by name.
pub(super) struct Shared {
    pub(super) tables: BTreeMap<String, Table>,
    pub(super) queues: BTreeMap<String, Queue>,
}

impl Shared {
    /// Checks what a stage declares.
    pub(super) fn new(
        tables: Map<Spanned<format::Table>>,
        queues: Map<Spanned<format::Queue>>,
        at: At<'_>,
    ) -> Result<Self, Wrong> {
        let mut shared = Self { tables: BTreeMap::new(), queues: BTreeMap::new() };
        for (name, declared) in tables {
            let table = table(&name, declared, at)?;
            shared.check_own(
                &format!("table `{}`", name.get_ref()),
                &table.variable,
                &table.services,
                &name,
                at,
            )?;
            shared.tables.insert(name.into_inner(), table);
        }
        for (name, declared) in queues {
            let queue = queue(&name, declared, at)?;
            shared.check_own(
                &format!("queue `{}`", name.get_ref()),
                &queue.variable,
                &queue.services,
                &name,
                at,
            )?;
            shared.queues.insert(name.into_inner(), queue);
        }
        Ok(shared)
    }

    /// Returns the table or the queue that a variable belongs to.
    pub(super) fn owner_of(&self, variable: &str) -> Option<String> {
        self.all().find(|(_, known, _)| *known == variable).map(|(what, ..)| what)
    }

    /// Checks that no service gets the variable for two things.
    fn check_own(
        &self,
        what: &str,
        variable: &str,
        services: &[Named],
        name: &Spanned<String>,
        at: At<'_>,
    ) -> Result<(), Wrong> {
        let same = |known: &&Named| services.iter().any(|service| service.name == known.name);
        let mut others =
            self.all().filter(|(_, known, of)| *known == variable && of.iter().find(same).is_some());
        match others.next() {
            None => Ok(()),
            Some((other, ..)) => {
                let text =
                    format!("{other} and {what} have the same variable `{variable}`: give each its own");
                Err(Wrong::at(&at(name.span().start), text))
            }
        }
    }

    /// Returns all tables and queues with their variables and services.
    fn all(&self) -> impl Iterator<Item = (String, &str, &[Named])> {
        let tables = self.tables.iter().map(|(name, table)| {
            (format!("table `{name}`"), table.variable.as_str(), table.services.as_slice())
        });
        let queues = self.queues.iter().map(|(name, queue)| {
            (format!("queue `{name}`"), queue.variable.as_str(), queue.services.as_slice())
        });
        tables.chain(queues)
    }
}

fn queue(name: &Spanned<String>, declared: Spanned<format::Queue>, at: At<'_>) -> Result<Queue, Wrong> {
    if let Err(mistake) = name.get_ref().parse::<QueueName>() {
        return Err(Wrong::at(&at(name.span().start), mistake.to_string()));
    }
    let here = at(declared.span().start);
    let format::Queue { variable, services, existing } = declared.into_inner();
    if services.is_empty() {
        let text = "`services` is empty, so no function may send to the queue: name at least one service";
        return Err(Wrong::at(&here, format!("queue `{}`: {text}", name.get_ref())));
    }
    Ok(Queue {
        variable: checked_name(variable, at)?,
        services: services.into_iter().map(|service| Named::of(service, at)).collect(),
        existing: existing.map(|Text(existing)| existing),
    })
}

fn table(name: &Spanned<String>, declared: Spanned<format::Table>, at: At<'_>) -> Result<Table, Wrong> {
    let here = at(declared.span().start);
    let wrong = |text: &str| Wrong::at(&here, format!("table `{}`: {text}", name.get_ref()));
    if !is_table_name(name.get_ref()) {
        let text = format!("{:?} cannot name a table: use letters, digits, `-`, `_` and `.`", name.get_ref());
        return Err(Wrong::at(&at(name.span().start), text));
    }
    let format::Table { variable, services, partition_key, sort_key, ttl, actions, existing } =
        declared.into_inner();
    if services.is_empty() {
        return Err(wrong(
            "`services` is empty, so no function may use the table: name at least one service",
        ));
    }
    let kept = match (existing, partition_key) {
        (Some(existing), None) if sort_key.is_none() && ttl.is_none() => Kept::Elsewhere(existing),
        (Some(_), _) => {
            return Err(wrong(
                "`existing` says that the table has a key already: remove `partition_key`, `sort_key` and `ttl`",
            ));
        }
        (None, None) => {
            return Err(wrong(
                "it needs a `partition_key`, as in `partition_key = \"id\"`, or the name of an `existing` table",
            ));
        }
        (None, Some(Text(partition_key))) => {
            let sort_key = sort_key.map(|Text(key)| key);
            if sort_key.as_ref().is_some_and(|key| key.name == partition_key.name) {
                return Err(wrong("`partition_key` and `sort_key` are the same attribute"));
            }
            Kept::Here { partition_key, sort_key, ttl }
        }
    };
    let actions = match actions {
        None => Action::usual(),
        Some(actions) => actions.into_iter().map(|Text(action)| action).collect(),
    };
    if actions.is_empty() {
        return Err(wrong(
            "`actions` allows nothing: remove it, or name what the services do with the table",
        ));
    }
    Ok(Table {
        variable: checked_name(variable, at)?,
        services: services.into_iter().map(|service| Named::of(service, at)).collect(),
        actions,
        kept,
    })
}

/// Whether a table can have the name: DynamoDB's rule, except for the length, which depends on the stack.
fn is_table_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || [b'-', b'_', b'.'].contains(&byte))
}
