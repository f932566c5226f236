//! The table of what CloudFormation calls for each type of resource in our templates. The names of the resources are left to the
//! parent module.

/// What CloudFormation calls for resources of one type: to read and delete them, everything; to create and change them, what the
/// properties of our templates need. Source: the permissions of the handlers in AWS's
/// schemas of the types (<https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html>).
pub(super) struct OfType {
    pub(super) ty: &'static str,
    pub(super) on: On,
    pub(super) actions: &'static [&'static str],
}

/// The resources that a right is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum On {
    Functions,
    /// Those of the stack's functions.
    Mappings,
    Roles,
    Logs,
    Queues,
    Tables,
    Bus,
    /// Archives, and the bus that they archive.
    Archives,
    Rules,
    Apis,
    /// The domain names of APIs.
    Domains,
    Alarms,
    /// Actions that know no resources.
    Every,
}

pub(super) const TYPES: [OfType; 25] = [
    OfType {
        ty: "AWS::Lambda::Function",
        on: On::Functions,
        actions: &[
            "lambda:CreateFunction",
            "lambda:DeleteFunction",
            "lambda:DeleteFunctionConcurrency",
            "lambda:GetFunction",
            "lambda:GetFunctionCodeSigningConfig",
            "lambda:GetFunctionRecursionConfig",
            "lambda:GetFunctionScalingConfig",
            "lambda:GetRuntimeManagementConfig",
            "lambda:ListTags",
            "lambda:PutFunctionConcurrency",
            "lambda:TagResource",
            "lambda:UntagResource",
            "lambda:UpdateFunctionCode",
            "lambda:UpdateFunctionConfiguration",
        ],
    },
    OfType { ty: "AWS::Lambda::Function", on: On::Roles, actions: &["iam:PassRole"] },
    OfType {
        ty: "AWS::Lambda::EventInvokeConfig",
        on: On::Functions,
        actions: &[
            "lambda:DeleteFunctionEventInvokeConfig",
            "lambda:GetFunctionEventInvokeConfig",
            "lambda:PutFunctionEventInvokeConfig",
            "lambda:UpdateFunctionEventInvokeConfig",
        ],
    },
    OfType {
        ty: "AWS::Lambda::Permission",
        on: On::Functions,
        actions: &["lambda:AddPermission", "lambda:GetPolicy", "lambda:RemovePermission"],
    },
    OfType {
        ty: "AWS::Lambda::Url",
        on: On::Functions,
        actions: &[
            "lambda:CreateFunctionUrlConfig",
            "lambda:DeleteFunctionUrlConfig",
            "lambda:GetFunctionUrlConfig",
            "lambda:UpdateFunctionUrlConfig",
        ],
    },
    OfType {
        ty: "AWS::Lambda::EventSourceMapping",
        on: On::Mappings,
        actions: &[
            "lambda:CreateEventSourceMapping",
            "lambda:DeleteEventSourceMapping",
            "lambda:GetEventSourceMapping",
            "lambda:UpdateEventSourceMapping",
        ],
    },
    OfType {
        ty: "AWS::Lambda::EventSourceMapping",
        on: On::Every,
        actions: &["lambda:ListTags", "lambda:TagResource", "lambda:UntagResource"],
    },
    OfType {
        ty: "AWS::IAM::Role",
        on: On::Roles,
        actions: &[
            "iam:CreateRole",
            "iam:DeleteRole",
            "iam:DeleteRolePolicy",
            "iam:DetachRolePolicy",
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:ListAttachedRolePolicies",
            "iam:ListRolePolicies",
            "iam:ListRoleTags",
            "iam:PutRolePolicy",
            "iam:TagRole",
            "iam:UntagRole",
            "iam:UpdateAssumeRolePolicy",
            "iam:UpdateRole",
            "iam:UpdateRoleDescription",
        ],
    },
    OfType {
        ty: "AWS::Logs::LogGroup",
        on: On::Logs,
        actions: &[
            "logs:CreateLogGroup",
            "logs:DeleteDataProtectionPolicy",
            "logs:DeleteLogGroup",
            "logs:DeleteRetentionPolicy",
            "logs:GetDataProtectionPolicy",
            "logs:ListTagsForResource",
            "logs:PutRetentionPolicy",
            "logs:TagResource",
            "logs:UntagResource",
        ],
    },
    OfType {
        ty: "AWS::Logs::LogGroup",
        on: On::Every,
        actions: &["logs:DescribeIndexPolicies", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies"],
    },
    OfType {
        ty: "AWS::SQS::Queue",
        on: On::Queues,
        actions: &[
            "sqs:CreateQueue",
            "sqs:DeleteQueue",
            "sqs:GetQueueAttributes",
            "sqs:GetQueueUrl",
            "sqs:ListQueueTags",
            "sqs:SetQueueAttributes",
            "sqs:TagQueue",
            "sqs:UntagQueue",
        ],
    },
    OfType { ty: "AWS::SQS::QueuePolicy", on: On::Queues, actions: &["sqs:SetQueueAttributes"] },
    OfType {
        ty: "AWS::DynamoDB::Table",
        on: On::Tables,
        actions: &[
            "dynamodb:CreateTable",
            "dynamodb:DeleteTable",
            "dynamodb:DescribeContinuousBackups",
            "dynamodb:DescribeContributorInsights",
            "dynamodb:DescribeKinesisStreamingDestination",
            "dynamodb:DescribeTable",
            "dynamodb:DescribeTimeToLive",
            "dynamodb:GetResourcePolicy",
            "dynamodb:ListTagsOfResource",
            "dynamodb:TagResource",
            "dynamodb:UntagResource",
            "dynamodb:UpdateTable",
            "dynamodb:UpdateTimeToLive",
        ],
    },
    OfType {
        ty: "AWS::Events::EventBus",
        on: On::Bus,
        actions: &[
            "events:CreateEventBus",
            "events:DeleteEventBus",
            "events:DescribeEventBus",
            "events:ListTagsForResource",
            "events:RemovePermission",
            "events:TagResource",
            "events:UntagResource",
            "events:UpdateEventBus",
        ],
    },
    OfType {
        ty: "AWS::Events::Archive",
        on: On::Archives,
        actions: &[
            "events:CreateArchive",
            "events:DeleteArchive",
            "events:DescribeArchive",
            "events:UpdateArchive",
        ],
    },
    OfType {
        ty: "AWS::Events::Rule",
        on: On::Rules,
        actions: &[
            "events:DeleteRule",
            "events:DescribeRule",
            "events:ListTagsForResource",
            "events:ListTargetsByRule",
            "events:PutRule",
            "events:PutTargets",
            "events:RemoveTargets",
            "events:TagResource",
            "events:UntagResource",
        ],
    },
    OfType { ty: "AWS::ApiGatewayV2::Api", on: On::Apis, actions: &API },
    OfType { ty: "AWS::ApiGatewayV2::ApiMapping", on: On::Domains, actions: &API },
    OfType { ty: "AWS::ApiGatewayV2::Authorizer", on: On::Apis, actions: &API },
    OfType {
        ty: "AWS::ApiGatewayV2::DomainName",
        on: On::Domains,
        actions: &[
            "apigateway:AddCertificateToDomain",
            "apigateway:DELETE",
            "apigateway:GET",
            "apigateway:PATCH",
            "apigateway:POST",
            "apigateway:PUT",
            "apigateway:RemoveCertificateFromDomain",
        ],
    },
    OfType { ty: "AWS::ApiGatewayV2::Integration", on: On::Apis, actions: &API },
    OfType { ty: "AWS::ApiGatewayV2::Route", on: On::Apis, actions: &API },
    OfType { ty: "AWS::ApiGatewayV2::RouteResponse", on: On::Apis, actions: &API },
    OfType { ty: "AWS::ApiGatewayV2::Stage", on: On::Apis, actions: &API },
    OfType {
        ty: "AWS::CloudWatch::Alarm",
        on: On::Alarms,
        actions: &[
            "cloudwatch:DeleteAlarms",
            "cloudwatch:DescribeAlarms",
            "cloudwatch:ListTagsForResource",
            "cloudwatch:PutMetricAlarm",
            "cloudwatch:TagResource",
            "cloudwatch:UntagResource",
        ],
    },
];

/// The actions of API Gateway are the methods of HTTP.
const API: [&str; 5] =
    ["apigateway:DELETE", "apigateway:GET", "apigateway:PATCH", "apigateway:POST", "apigateway:PUT"];
