//! Lists the rights that a deployer of a stack needs: for the calls of `deploy`, `rollback` and `remove`, and for what CloudFormation
//! does on the deployer's behalf. Calling AWS is left to the other modules.

mod types;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use eg_grammar::region::partition;
use serde_json::{Map, Value, json};

use self::types::{On, TYPES};
use super::described::kind;
use crate::template::{joined, nested};

/// CloudFormation puts at least so many characters of the stack's name before the names that it makes.
const SHORTENED: usize = 24;

/// The calls of CloudFormation.
const OF_STACKS: [&str; 16] = [
    "CancelUpdateStack",
    "ContinueUpdateRollback",
    "CreateChangeSet",
    "DeleteChangeSet",
    "DeleteStack",
    "DescribeChangeSet",
    "DescribeEvents",
    "DescribeStackEvents",
    "DescribeStacks",
    "ExecuteChangeSet",
    "GetTemplate",
    "ListChangeSets",
    "ListStackResources",
    "TagResource",
    "UntagResource",
    "UpdateTerminationProtection",
];

/// The calls of CloudFormation for nested stacks.
const OF_NESTED_STACKS: [&str; 9] = [
    "CreateStack",
    "DeleteStack",
    "DescribeStackEvents",
    "DescribeStacks",
    "GetTemplate",
    "ListStackResources",
    "TagResource",
    "UntagResource",
    "UpdateStack",
];

/// The calls of S3 for what is in the bucket. CloudFormation and Lambda read it with the deployer's rights, too.
const OF_OBJECTS: [&str; 4] = ["DeleteObject", "DeleteObjectVersion", "GetObject", "PutObject"];

/// The calls of S3 for any bucket, and those for the one that `deploy` creates.
const OF_BUCKET: [&str; 2] = ["ListBucket", "ListBucketVersions"];
const OF_OWN_BUCKET: [&str; 4] =
    ["CreateBucket", "GetBucketVersioning", "PutBucketPublicAccessBlock", "PutBucketVersioning"];

/// What CloudFormation calls for functions in a VPC. These actions know no resources.
const OF_NETWORKS: [&str; 4] = [
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
];

/// The rights for one template.
#[derive(Debug)]
pub(crate) struct Rights {
    /// A policy of IAM.
    pub(crate) policy: Value,
    /// The types of resources for which the rights are not known, each with the logical ids.
    pub(crate) unknown: BTreeMap<String, BTreeSet<String>>,
}

/// What a deployer may do, and where.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    /// The template to deploy, and the one that the stack has: CloudFormation deletes what is only in that.
    pub(crate) templates: &'a [&'a Value],
    /// The logical ids of resources that users describe. Their names and properties, and so their rights, are not known.
    pub(crate) extra: BTreeSet<&'a str>,
    pub(crate) stack: &'a str,
    /// `None`: every region.
    pub(crate) region: Option<&'a str>,
    /// `None`: the bucket of the account.
    pub(crate) bucket: Option<&'a str>,
}

/// Returns the rights to deploy a stack.
pub(crate) fn rights(scope: &Scope<'_>) -> Rights {
    let Scope { templates, extra, stack, region, bucket } = scope;
    let is_divided = templates.iter().any(|template| nested(template).next().is_some());
    let templates: Vec<Cow<'_, Value>> = templates.iter().map(|template| joined(template)).collect();
    let resources: Vec<(&String, &Value)> =
        templates.iter().filter_map(|template| template["Resources"].as_object()).flatten().collect();
    let is_known = |ty: &str| TYPES.iter().any(|known| known.ty == ty);
    let (mut types, mut unknown) = (BTreeSet::new(), BTreeMap::<String, BTreeSet<String>>::new());
    for (id, resource) in &resources {
        let ty = kind(resource);
        types.insert(ty);
        if !is_known(ty) || extra.contains(id.as_str()) {
            unknown.entry(ty.to_owned()).or_default().insert((*id).clone());
        }
    }
    let of_domains =
        resources.iter().filter(|(_, resource)| kind(resource) == "AWS::ApiGatewayV2::DomainName");
    let domains = of_domains.filter_map(|(_, resource)| resource["Properties"]["DomainName"].as_str());
    let place = Place {
        partition: region.map_or("aws", partition),
        region: region.unwrap_or("*"),
        stack,
        domains: domains.collect(),
    };
    let mut statements = place.of_commands(*bucket, types.contains("AWS::SQS::Queue"));
    if is_divided {
        statements.push(place.of_nested_stacks());
    }
    let mut of_types: BTreeMap<On, BTreeSet<&str>> = BTreeMap::new();
    for known in TYPES.iter().filter(|known| types.contains(known.ty)) {
        of_types.entry(known.on).or_default().extend(known.actions);
    }
    for (on, mut actions) in of_types {
        if actions.remove("iam:PassRole") {
            let only = json!({"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}});
            statements.push(statement("PassRolesToFunctions", ["iam:PassRole"], place.names(on), Some(only)));
        }
        let (sid, condition) = place.about(on);
        statements.push(statement(sid, actions, place.names(on), condition));
    }
    if resources.iter().any(|(_, resource)| !resource["Properties"]["VpcConfig"].is_null()) {
        let on = place.names(On::Every);
        statements.push(statement("FindTheNetwork", OF_NETWORKS, on, None));
    }
    Rights { policy: json!({"Version": "2012-10-17", "Statement": statements}), unknown }
}

/// Where a stack is, in the words of ARNs. The account is not known, so the rights are for that of the deployer.
struct Place<'a> {
    partition: &'static str,
    region: &'a str,
    stack: &'a str,
    /// The domain names of its API.
    domains: BTreeSet<&'a str>,
}

impl Place<'_> {
    /// Returns the rights for the calls of the commands themselves.
    fn of_commands(&self, bucket: Option<&str>, has_queues: bool) -> Vec<Value> {
        let Self { partition, region, stack, .. } = self;
        let own = format!("eg-deploy-*-{region}");
        let bucket_arn = format!("arn:{partition}:s3:::{}", bucket.unwrap_or(&own));
        let with = |service: &'static str| move |action: &&str| format!("{service}:{action}");
        let mut of_bucket: Vec<String> = OF_BUCKET.iter().map(with("s3")).collect();
        if bucket.is_none() {
            of_bucket.extend(OF_OWN_BUCKET.iter().map(with("s3")));
            of_bucket.sort_unstable();
        }
        let stack_arn = format!("arn:{partition}:cloudformation:{region}:*:stack/{stack}/*");
        let mut statements = vec![
            statement("ChangeTheStack", OF_STACKS.iter().map(with("cloudformation")), vec![stack_arn], None),
            statement("UseTheBucket", of_bucket, vec![bucket_arn.clone()], None),
            statement(
                "StoreProgramsAndTemplates",
                OF_OBJECTS.iter().map(with("s3")),
                vec![format!("{bucket_arn}/{stack}/*")],
                None,
            ),
        ];
        if has_queues {
            // Before a queue is deleted, its messages are counted.
            let queues = self.names(On::Queues);
            statements.push(statement("CountMessages", ["sqs:GetQueueAttributes"], queues, None));
        }
        statements
    }

    /// Returns the rights for nested stacks: what CloudFormation does with them, and what the commands read of them.
    fn of_nested_stacks(&self) -> Value {
        let Self { partition, region, stack, .. } = self;
        let actions = OF_NESTED_STACKS.map(|action| format!("cloudformation:{action}"));
        // CloudFormation adds the logical id and a text of its own.
        let on = vec![format!("arn:{partition}:cloudformation:{region}:*:stack/{stack}-*/*")];
        statement("DeployNestedStacks", actions, on, None)
    }

    /// Returns the id and the condition of a statement.
    fn about(&self, on: On) -> (&'static str, Option<Value>) {
        match on {
            On::Functions => ("DeployFunctions", None),
            On::Mappings => {
                let functions = self.names(On::Functions);
                ("DeployTriggers", Some(json!({"ArnLike": {"lambda:FunctionArn": functions}})))
            }
            On::Roles => ("DeployRoles", None),
            On::Logs => ("DeployLogs", None),
            On::Queues => ("DeployQueues", None),
            On::Tables => ("DeployTables", None),
            On::Bus => ("DeployTheBus", None),
            On::Archives => ("DeployTheArchive", None),
            On::Rules => ("DeployRules", None),
            On::Apis => ("DeployTheApi", None),
            On::Domains => ("DeployTheDomain", None),
            On::Alarms => ("DeployAlarms", None),
            On::Every => ("ActionsWithoutResources", None),
        }
    }

    /// Returns the ARNs of the resources of the stack. `*` stands for what AWS or the account decides.
    fn names(&self, on: On) -> Vec<String> {
        let Self { partition, region, stack, domains } = self;
        // Names that CloudFormation makes begin with the stack's, which it may shorten.
        let made = match stack.get(..SHORTENED) {
            Some(begin) if stack.len() > SHORTENED => format!("{begin}*"),
            _ => format!("{stack}-*"),
        };
        let arn = |service: &str, rest: String| format!("arn:{partition}:{service}:{region}:*:{rest}");
        match on {
            On::Functions => vec![arn("lambda", format!("function:{stack}-*"))],
            On::Mappings | On::Every => vec!["*".to_owned()],
            On::Roles => vec![format!("arn:{partition}:iam::*:role/{made}")],
            On::Logs => vec![arn("logs", format!("log-group:/aws/lambda/{stack}-*"))],
            On::Queues => vec![arn("sqs", made)],
            On::Tables => vec![arn("dynamodb", format!("table/{stack}-*"))],
            On::Bus => vec![arn("events", format!("event-bus/{stack}"))],
            On::Archives => {
                vec![arn("events", format!("archive/{made}")), arn("events", format!("event-bus/{stack}"))]
            }
            // On the default bus, and on the application's.
            On::Rules => {
                vec![arn("events", format!("rule/{made}")), arn("events", format!("rule/*/{made}"))]
            }
            On::Apis => ["apis", "apis/*", "tags/*"]
                .map(|path| format!("arn:{partition}:apigateway:{region}::/{path}"))
                .to_vec(),
            // The first one is for the call that makes a domain.
            On::Domains => {
                let own = domains.iter().flat_map(|name| [format!("/{name}"), format!("/{name}/*")]);
                std::iter::once(String::new())
                    .chain(own)
                    .map(|path| format!("arn:{partition}:apigateway:{region}::/domainnames{path}"))
                    .collect()
            }
            On::Alarms => vec![arn("cloudwatch", format!("alarm:{made}"))],
        }
    }
}

fn statement(
    sid: &str,
    actions: impl IntoIterator<Item = impl Into<Value>>,
    on: Vec<String>,
    condition: Option<Value>,
) -> Value {
    let actions: Vec<Value> = actions.into_iter().map(Into::into).collect();
    let mut statement = Map::new();
    statement.insert("Sid".to_owned(), sid.into());
    statement.insert("Effect".to_owned(), "Allow".into());
    statement.insert("Action".to_owned(), actions.into());
    statement.insert("Resource".to_owned(), on.into());
    statement.extend(condition.map(|condition| ("Condition".to_owned(), condition)));
    statement.into()
}
