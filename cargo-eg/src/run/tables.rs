//! Creates the tables of `[deploy.tables]` at the DynamoDB on this machine that the environment names. Which functions get their
//! names is left to `deploy`.

use eg_sdk::__private::HttpClient;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::project::deploy::{Deploy, Kept, KeyAttribute};
use crate::project::services::Service;

use super::local_aws::{self, ALL_SERVICES, Api, DYNAMODB};
use super::streams;

const API: Api = Api { name: "DynamoDB", signed: "dynamodb", target: "DynamoDB_20120810", json: "1.0" };

/// The name of the table, its key, and the attribute with the time at which an item expires.
type Wanted<'a> = (String, Vec<&'a KeyAttribute>, Option<&'a str>);

/// Returns the address of the DynamoDB on this machine, with the variable that names it.
pub(super) fn endpoint() -> Option<(&'static str, String)> {
    local_aws::endpoint(&[DYNAMODB, ALL_SERVICES])
}

/// Creates the tables that the services use and that do not exist yet. One that exists keeps its items. Without a DynamoDB, there
/// are none.
///
/// # Errors
/// Names the table that cannot be created or has another key, and where.
pub(super) async fn create(services: &[Service]) -> Result<(), Failure> {
    let Some((variable, url)) = endpoint() else { return Ok(()) };
    let client = HttpClient::default();
    let followed = streams::tables(services);
    for (name, key, ttl) in services.iter().flat_map(wanted) {
        let failed = |reason: String| {
            Failure::new(Exit::Failed, format!("cannot create table `{name}` at {url}: {reason}"))
                .hint(format!("start the DynamoDB that {variable} names, or unset the variable"))
        };
        let attribute = |key: &&KeyAttribute| json!({"AttributeName": key.name, "AttributeType": key.kind});
        let schema = key.iter().zip(["HASH", "RANGE"]);
        let schema: Vec<Value> =
            schema.map(|(key, kind)| json!({"AttributeName": key.name, "KeyType": kind})).collect();
        let mut table = json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST", "KeySchema": schema,
            "AttributeDefinitions": key.iter().map(attribute).collect::<Vec<_>>(),
        });
        if followed.contains(&name) {
            table["StreamSpecification"] =
                json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"});
        }
        match local_aws::call(&client, &url, API, "CreateTable", &table).await {
            Ok(_) => {}
            // Another run has created it.
            Err(reason) if reason.starts_with("ResourceInUseException") => {
                let named = json!({"TableName": name});
                let existing =
                    local_aws::call(&client, &url, API, "DescribeTable", &named).await.map_err(failed)?;
                let (old, new) = (key_of(&existing["Table"]), key_of(&table));
                if old != new {
                    let message = format!("table `{name}` at {url} has {old}, but eg.toml declares {new}");
                    return Err(Failure::new(Exit::Failed, message).hint(
                        "delete the table there to have it created again without its items, or restore the key in eg.toml",
                    ));
                }
                if followed.contains(&name)
                    && existing["Table"]["StreamSpecification"]["StreamEnabled"] != true
                {
                    let change =
                        json!({"TableName": name, "StreamSpecification": table["StreamSpecification"]});
                    local_aws::call(&client, &url, API, "UpdateTable", &change).await.map_err(failed)?;
                }
            }
            Err(reason) => return Err(failed(reason)),
        }
        if let Some(ttl) = ttl {
            expire(&client, &url, &name, ttl).await.map_err(failed)?;
        }
    }
    Ok(())
}

/// Lets items of a table expire, unless they do.
async fn expire(client: &HttpClient, url: &str, table: &str, attribute: &str) -> Result<(), String> {
    let now = local_aws::call(client, url, API, "DescribeTimeToLive", &json!({"TableName": table})).await?;
    let status = now["TimeToLiveDescription"]["TimeToLiveStatus"].as_str().unwrap_or_default();
    if status.starts_with("ENABL") {
        return Ok(());
    }
    let expiry = json!({"AttributeName": attribute, "Enabled": true});
    let change = json!({"TableName": table, "TimeToLiveSpecification": expiry});
    local_aws::call(client, url, API, "UpdateTimeToLive", &change).await.map(drop)
}

/// Returns the key of a table as eg.toml spells it: ``the partition key `customer:S` and the sort key `number:N` ``.
fn key_of(table: &Value) -> String {
    let kind = |name: &Value| {
        let mut attributes = table["AttributeDefinitions"].as_array().into_iter().flatten();
        let found = attributes.find(|attribute| attribute["AttributeName"] == *name);
        found.and_then(|attribute| attribute["AttributeType"].as_str()).unwrap_or_default()
    };
    let part = |role: &str, words: &str| {
        let mut parts = table["KeySchema"].as_array().into_iter().flatten();
        let name = &parts.find(|part| part["KeyType"] == role)?["AttributeName"];
        Some(format!("{words} `{}:{}`", name.as_str().unwrap_or_default(), kind(name)))
    };
    let parts = [part("HASH", "the partition key"), part("RANGE", "the sort key")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

/// Returns the tables of a service, by the settings of this machine.
fn wanted(service: &Service) -> Vec<Wanted<'_>> {
    let Some(stage) = service.deploy.as_ref().map(Deploy::local) else { return Vec::new() };
    // A variable that is set names a table of the user's.
    let tables = stage
        .tables(&service.manifest.service)
        .filter(|(_, table)| std::env::var_os(&table.variable).is_none());
    let here = tables.filter_map(|(name, table)| match &table.kept {
        Kept::Here { partition_key, sort_key, ttl } => {
            let key = std::iter::once(partition_key).chain(sort_key).collect();
            Some((stage.table_name(name, table), key, ttl.as_deref()))
        }
        Kept::Elsewhere(_) => None,
    });
    here.collect()
}
