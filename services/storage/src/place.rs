//! Chooses the place of a service's data from the environment. Opens nothing.

use std::env;
use std::path::PathBuf;

use crate::Error;

/// A place for data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Table(String),
    File(PathBuf),
}

impl Place {
    pub(crate) fn from_env(service: &str, table_variable: &str) -> Result<Self, Error> {
        let table = env::var(table_variable).ok();
        let directory = env::var_os("EG_DATA_DIR").map(PathBuf::from);
        let on_lambda = env::var_os("AWS_LAMBDA_RUNTIME_API").is_some();
        Self::choose(service, table_variable, table, directory, on_lambda)
    }

    fn choose(
        service: &str,
        table_variable: &str,
        table: Option<String>,
        directory: Option<PathBuf>,
        on_lambda: bool,
    ) -> Result<Self, Error> {
        match (table.filter(|name| !name.is_empty()), directory) {
            (Some(table), _) => Ok(Self::Table(table)),
            (None, Some(directory)) => Ok(Self::File(directory.join(format!("{service}.db")))),
            // The disk of a Lambda function is lost with its environment.
            (None, None) if on_lambda => Err(Error::Setting(format!(
                "{service} has nowhere to keep its data; set {table_variable} to the name of its DynamoDB table"
            ))),
            (None, None) => Ok(Self::File(env::temp_dir().join(format!("{service}.db")))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_comes_first_and_lambda_insists_on_a_lasting_place() {
        let table = |name: &str| Some(Ok(Place::Table(name.into())));
        let file = |path: &str| Some(Ok(Place::File(path.into())));
        let temporary = env::temp_dir().join("order.db");
        for (name, directory, on_lambda, expected) in [
            (Some("orders"), Some("/data"), true, table("orders")),
            (Some("orders"), None, false, table("orders")),
            (Some(""), Some("/data"), true, file("/data/order.db")),
            (None, Some("/data"), true, file("/data/order.db")),
            (None, None, false, file(temporary.to_str().unwrap())),
            (None, None, true, None),
        ] {
            let found = Place::choose(
                "order",
                "ORDER_TABLE",
                name.map(str::to_owned),
                directory.map(PathBuf::from),
                on_lambda,
            );
            match expected {
                Some(expected) => assert_eq!(found.map_err(|e| e.to_string()), expected),
                None => assert!(found.unwrap_err().to_string().contains("set ORDER_TABLE")),
            }
        }
    }
}
