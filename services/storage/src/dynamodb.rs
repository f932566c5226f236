//! The DynamoDB backend. Expressions use bound values only; reads are strongly consistent.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{DisplayErrorContext, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem, Update};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use crate::item::{Change, Writes};
use crate::{Condition, Error, Item, Key, Write};

// Attributes of the table. Expressions refer to each by `#` and its name, because `partition` is a reserved word.
const PARTITION: &str = "partition";
const SORT: &str = "sort";
const VERSION: &str = "version";
const DOCUMENT: &str = "document";
/// The attribute for the table's time to live, in seconds since 1970.
pub(crate) const EXPIRES: &str = "expires";

/// The common part of all updates.
const SET: &str = "SET #document = :document, #version = if_not_exists(#version, :none) + :one";

type Attributes = HashMap<String, AttributeValue>;

#[derive(Debug, Clone)]
pub(crate) struct Table {
    client: Client,
    name: String,
}

impl Table {
    pub(crate) fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Region, credentials and endpoint come from the usual sources of the AWS SDKs.
    pub(crate) async fn from_env(name: String) -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
        Self::new(Client::new(&config), name)
    }

    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Item>, Error> {
        let call = self.client.get_item().table_name(&self.name).consistent_read(true);
        let output = call.set_key(Some(attributes(key))).send().await;
        let output = output.map_err(|e| self.failed(&format!("read item {key}"), &e))?;
        output.item.map(|found| self.item(found)).transpose()
    }

    pub(crate) async fn page(
        &self,
        partition: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Item>, Error> {
        let mut items = Vec::new();
        let mut start = None;
        // DynamoDB ends a page after one megabyte and returns the key to continue from.
        while items.len() < limit {
            let wanted = i32::try_from(limit - items.len()).unwrap_or(i32::MAX);
            let mut call = self.client.query().table_name(&self.name).consistent_read(true).limit(wanted);
            call = call
                .expression_attribute_names("#partition", PARTITION)
                .expression_attribute_values(":partition", text(partition));
            call = match after {
                None => call.key_condition_expression("#partition = :partition"),
                Some(after) => call
                    .key_condition_expression("#partition = :partition AND #sort > :after")
                    .expression_attribute_names("#sort", SORT)
                    .expression_attribute_values(":after", text(after)),
            };
            let output = call.set_exclusive_start_key(start).send().await;
            let output = output.map_err(|e| self.failed(&format!("read partition `{partition}`"), &e))?;
            for found in output.items.unwrap_or_default() {
                items.push(self.item(found)?);
            }
            start = output.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(items)
    }

    pub(crate) async fn transact(&self, writes: Writes) -> Result<(), Error> {
        let items = writes.iter().map(|write| self.write(write)).collect::<Result<Vec<_>, _>>()?;
        // If the SDK sends the request again, it has the same request token, so it takes effect once.
        let result = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        result.map(drop).map_err(|error| match conflict(&error, &writes) {
            Some(key) => Error::Conflict { key },
            None => self.failed("write to", &error),
        })
    }

    fn write(&self, write: &Write) -> Result<TransactWriteItem, Error> {
        let mut names = HashMap::new();
        let mut values = HashMap::new();
        let condition = match write.condition {
            Condition::Any => None,
            Condition::Absent => {
                names.insert("#partition".to_owned(), PARTITION.to_owned());
                Some("attribute_not_exists(#partition)".to_owned())
            }
            Condition::Version(expected) => {
                names.insert("#version".to_owned(), VERSION.to_owned());
                values.insert(":expected".to_owned(), AttributeValue::N(expected.to_string()));
                Some("#version = :expected".to_owned())
            }
        };
        let invalid = |e| self.failed("write to", &e);
        let item = TransactWriteItem::builder();
        let item = match &write.change {
            // An update rather than a put, because only an update can increment the version.
            Change::Put { document, expires } => {
                names.insert("#version".to_owned(), VERSION.to_owned());
                names.insert("#document".to_owned(), DOCUMENT.to_owned());
                values.insert(":document".to_owned(), text(document));
                values.insert(":none".to_owned(), AttributeValue::N("0".to_owned()));
                values.insert(":one".to_owned(), AttributeValue::N("1".to_owned()));
                names.insert("#expires".to_owned(), EXPIRES.to_owned());
                let end = expires.map_or("REMOVE #expires", |expires| {
                    values.insert(":expires".to_owned(), AttributeValue::N(expires.to_string()));
                    ", #expires = :expires"
                });
                let update = Update::builder()
                    .table_name(&self.name)
                    .set_key(Some(attributes(&write.key)))
                    .update_expression(format!("{SET} {end}"))
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(Some(names))
                    .set_expression_attribute_values(Some(values));
                item.update(update.build().map_err(invalid)?)
            }
            Change::Delete => {
                let delete = Delete::builder()
                    .table_name(&self.name)
                    .set_key(Some(attributes(&write.key)))
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(Some(names).filter(|names| !names.is_empty()))
                    .set_expression_attribute_values(Some(values).filter(|values| !values.is_empty()));
                item.delete(delete.build().map_err(invalid)?)
            }
        };
        Ok(item.build())
    }

    fn item(&self, mut found: Attributes) -> Result<Item, Error> {
        let mut text_of = |name: &str| match found.remove(name) {
            Some(AttributeValue::S(text) | AttributeValue::N(text)) => Ok(text),
            _ => Err(self.failed("read an item of", &Foreign(name.to_owned()))),
        };
        let key = Key { partition: text_of(PARTITION)?, sort: text_of(SORT)? };
        let version = text_of(VERSION)?;
        let version = version.parse().map_err(|_| self.failed("read an item of", &Foreign(version)))?;
        Ok(Item { key, version, document: text_of(DOCUMENT)? })
    }

    fn failed(&self, action: &str, error: &(impl StdError + 'static)) -> Error {
        Error::backend(format!("{action} table `{}`", self.name), &DisplayErrorContext(error))
    }
}

/// The error for an item that this crate did not write.
#[derive(Debug)]
struct Foreign(String);

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attribute `{}` was not written by this store", self.0)
    }
}

impl StdError for Foreign {}

/// Returns the item that made the transaction fail, if a retry after reading it again can succeed.
fn conflict(error: &SdkError<TransactWriteItemsError>, writes: &[Write]) -> Option<Key> {
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error()
    else {
        return None;
    };
    // DynamoDB returns one reason per write, in the order of the writes.
    let at = canceled
        .cancellation_reasons()
        .iter()
        .position(|reason| matches!(reason.code(), Some("ConditionalCheckFailed" | "TransactionConflict")))?;
    writes.get(at).map(|write| write.key.clone())
}

fn attributes(key: &Key) -> Attributes {
    HashMap::from([(PARTITION.to_owned(), text(&key.partition)), (SORT.to_owned(), text(&key.sort))])
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}
