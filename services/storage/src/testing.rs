//! Creates tables for tests of repositories against both backends. Does not start a DynamoDB server.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
};

use crate::Store;
use crate::dynamodb::EXPIRES;

/// Creates the table `name` in the DynamoDB at `url` and opens it as a store.
///
/// # Panics
/// If the table cannot be created.
pub async fn table(url: &str, name: &str) -> Store {
    let client = client(url);
    let mut table = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    for (name, role) in [("partition", KeyType::Hash), ("sort", KeyType::Range)] {
        let attribute =
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name(name).key_type(role);
        table = table
            .attribute_definitions(attribute.build().expect("name and type are set"))
            .key_schema(key.build().expect("name and role are set"));
    }
    table.send().await.unwrap_or_else(|error| panic!("cannot make table {name} at {url}: {error:?}"));
    let end = TimeToLiveSpecification::builder().enabled(true).attribute_name(EXPIRES).build();
    let end = client
        .update_time_to_live()
        .table_name(name)
        .time_to_live_specification(end.expect("both fields are set"));
    end.send().await.unwrap_or_else(|error| panic!("cannot let items of {name} expire: {error:?}"));
    Store::dynamodb(client, name)
}

/// Creates a client of the DynamoDB at `url`, in the region of the local Lambda.
#[must_use]
pub fn client(url: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .region(Region::new("us-east-1"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(url);
    Client::from_conf(config.build())
}
