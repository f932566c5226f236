//! Generates the domain name of the HTTP API, and lists what its DNS needs. The API itself is left to `api`.

use super::builder::{Builder, resource};
use super::names::{attribute, reference};
use super::{API, Application, Tree, api, map};

const DOMAIN: &str = "Domain";

/// Adds the domain name and its mapping to the API, if the stage has one.
pub(super) fn domain(application: &Application<'_>, builder: &mut Builder) {
    let Some(domain) = &application.stage.domain else { return };
    let what = format!("the domain {}", domain.name);
    if builder.owner(API).is_none() {
        builder.problems.push(format!(
            "`domain`: no function has a route of an HTTP API, so nothing would answer at {}: remove `domain` from eg.toml",
            domain.name
        ));
        return;
    }
    let configuration = map! {
        "CertificateArn" => Tree::Json(domain.certificate.clone()),
        "EndpointType" => "REGIONAL",
        "SecurityPolicy" => "TLS_1_2",
    };
    let properties = map! {
        "DomainName" => domain.name.as_str(),
        "DomainNameConfigurations" => vec![configuration],
    };
    let properties = properties.with("Tags", api::tags(application));
    builder.add(DOMAIN.to_owned(), &what, resource("AWS::ApiGatewayV2::DomainName", properties));
    let mapping = map! {
        "ApiId" => reference(API),
        "DomainName" => reference(DOMAIN),
        "Stage" => reference(&api::stage_id()),
    };
    builder.add(format!("{DOMAIN}Mapping"), &what, resource("AWS::ApiGatewayV2::ApiMapping", mapping));
}

/// Returns the outputs: the URL of the domain, and the target of its DNS record.
pub(super) fn outputs(application: &Application<'_>) -> Vec<(String, &'static str, Tree)> {
    let Some(domain) = &application.stage.domain else { return Vec::new() };
    let target = |name: &str| attribute(DOMAIN, name);
    [
        (
            "Url",
            "The URL of the API, as soon as the DNS record of the domain points to the target",
            format!("https://{}", domain.name).into(),
        ),
        ("Target", "The target of the DNS record of the domain", target("RegionalDomainName")),
        (
            "TargetZone",
            "The hosted zone of the target, for an alias record of Route 53",
            target("RegionalHostedZoneId"),
        ),
    ]
    .map(|(name, description, value)| (format!("{DOMAIN}{name}"), description, value))
    .into()
}
