"""Maps Terraform's resource types and arguments to CloudFormation's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from infra.conformance.plan import KNOWN_LATER


@dataclass(frozen=True)
class Kind:
    """The counterpart of a resource type."""

    type: str
    # Arguments with other names than theirs in CamelCase. Dots lead into blocks, and
    # "" means that the arguments of a block stand outside it.
    names: Mapping[str, str] = field(default_factory=dict)
    # Arguments that CloudFormation lacks, and blocks that the provider computes.
    without: tuple[str, ...] = ()
    # What the provider stores for an argument that is not set.
    unset: Mapping[str, object] = field(default_factory=dict)
    fixed: Mapping[str, object] = field(default_factory=dict)  # properties that Terraform implies
    values: Mapping[str, Callable] = field(default_factory=dict)  # arguments with another form
    # Policies that CloudFormation has in a resource of their own: its type and what else it
    # requires, by argument.
    apart: Mapping[str, tuple[str, Mapping[str, object]]] = field(default_factory=dict)


def _key(kind):
    return lambda name: [{"AttributeName": name, "KeyType": kind}]


def _feedback(name):
    return lambda value: [{"Protocol": "sqs", name: str(value)}]


def _topics(arns):
    return [{"SubscriptionType": "SNS", "Address": arn} for arn in arns]


def _encrypted(blocks):
    [block] = blocks
    key = {"KMSMasterKeyId": block["kms_key_arn"]} if block.get("kms_key_arn") else {}
    return {"SSEEnabled": block["enabled"], "SSEType": "KMS"} | key


def _assigned(public):
    return "ENABLED" if public else "DISABLED"


# Types without a counterpart, with the reason. Their requests are checked all the same.
ELSEWHERE = {
    "aws_appautoscaling_scheduled_action": "CloudFormation has it inside the target",
    "aws_ce_cost_allocation_tag": "CloudFormation cannot activate tags",
    "aws_cloudwatch_event_target": "CloudFormation has it inside the rule",
    "aws_default_security_group": "CloudFormation cannot adopt the group that every VPC has",
    "aws_iam_role_policy_attachment": "CloudFormation has it inside the role",
    "aws_route53_resolver_firewall_rule": "CloudFormation has it inside the rule group",
    "terraform_data": "checks the configuration and creates nothing",
}

_ALARM = {
    "metric_query": "Metrics",
    "metric_query.metric": "MetricStat",
    "metric_query.metric.dimensions": "Metric.Dimensions",
    "metric_query.metric.metric_name": "Metric.MetricName",
    "metric_query.metric.namespace": "Metric.Namespace",
}
_DISTRIBUTION = {
    name: f"DistributionConfig.{inner}"
    for name, inner in {
        "aliases": "Aliases",
        "comment": "Comment",
        "default_cache_behavior": "DefaultCacheBehavior",
        "enabled": "Enabled",
        "http_version": "HttpVersion",
        "is_ipv6_enabled": "IPV6Enabled",
        "origin": "Origins",
        "restrictions": "Restrictions",
        "viewer_certificate": "ViewerCertificate",
        "web_acl_id": "WebACLId",
    }.items()
} | {
    "origin.custom_header": "OriginCustomHeaders",
    "origin.custom_header.name": "HeaderName",
    "origin.custom_header.value": "HeaderValue",
    "origin.custom_origin_config.http_port": "HTTPPort",
    "origin.custom_origin_config.https_port": "HTTPSPort",
    "origin.custom_origin_config.origin_ssl_protocols": "OriginSSLProtocols",
    "origin.origin_id": "Id",
}
_BUDGET = {
    "cost_filter": "Budget.CostFilters",
    "budget_type": "Budget.BudgetType",
    "limit_amount": "Budget.BudgetLimit.Amount",
    "limit_unit": "Budget.BudgetLimit.Unit",
    "name": "Budget.BudgetName",
    "notification": "NotificationsWithSubscribers",
    "notification.comparison_operator": "Notification.ComparisonOperator",
    "notification.notification_type": "Notification.NotificationType",
    "notification.subscriber_sns_topic_arns": "Subscribers",
    "notification.threshold": "Notification.Threshold",
    "notification.threshold_type": "Notification.ThresholdType",
    "tags_all": "ResourceTags",
    "time_unit": "Budget.TimeUnit",
}
_TABLE = {
    "attribute": "AttributeDefinitions",
    "attribute.name": "AttributeName",
    "attribute.type": "AttributeType",
    "global_secondary_index": "GlobalSecondaryIndexes",
    "global_secondary_index.hash_key": "KeySchema",
    "global_secondary_index.name": "IndexName",
    "global_secondary_index.non_key_attributes": "Projection.NonKeyAttributes",
    "global_secondary_index.projection_type": "Projection.ProjectionType",
    "global_secondary_index.range_key": "KeySchema",
    "hash_key": "KeySchema",
    "name": "TableName",
    "point_in_time_recovery": "PointInTimeRecoverySpecification",
    "point_in_time_recovery.enabled": "PointInTimeRecoveryEnabled",
    "range_key": "KeySchema",
    "server_side_encryption": "SSESpecification",
    "ttl": "TimeToLiveSpecification",
}
_TASKS = {
    "alarms": "DeploymentConfiguration.Alarms",
    "deployment_circuit_breaker": "DeploymentConfiguration.DeploymentCircuitBreaker",
    "deployment_maximum_percent": "DeploymentConfiguration.MaximumPercent",
    "deployment_minimum_healthy_percent": "DeploymentConfiguration.MinimumHealthyPercent",
    "force_new_deployment": "ForceNewDeployment.EnableForceNewDeployment",
    "name": "ServiceName",
    "network_configuration": "NetworkConfiguration.AwsvpcConfiguration",
}
_TRAIL = {
    "advanced_event_selector": "AdvancedEventSelectors",
    "advanced_event_selector.field_selector": "FieldSelectors",
    "name": "TrailName",
}
_BY_DEFAULT = "rule.apply_server_side_encryption_by_default"
_ENCRYPTION = {
    "bucket": "BucketName",
    "rule": "BucketEncryption.ServerSideEncryptionConfiguration",
    _BY_DEFAULT: "ServerSideEncryptionByDefault",
    f"{_BY_DEFAULT}.kms_master_key_id": "KMSMasterKeyID",
    f"{_BY_DEFAULT}.sse_algorithm": "SSEAlgorithm",
}
_LIFECYCLE = {
    "bucket": "BucketName",
    "rule": "LifecycleConfiguration.Rules",
    "rule.expiration": "",
    "rule.expiration.days": "ExpirationInDays",
    "rule.transition": "Transitions",
    "rule.transition.days": "TransitionInDays",
}
_S3 = "extended_s3_configuration"
_STREAM = {
    "name": "DeliveryStreamName",
    "server_side_encryption": "DeliveryStreamEncryptionConfigurationInput",
    _S3: "ExtendedS3DestinationConfiguration",
    f"{_S3}.buffering_interval": "BufferingHints.IntervalInSeconds",
    f"{_S3}.buffering_size": "BufferingHints.SizeInMBs",
    f"{_S3}.dynamic_partitioning_configuration.retry_duration": "RetryOptions.DurationInSeconds",
}
_CATALOG = {"CatalogId": "123456789012"}
_FEEDBACK = {
    "sqs_failure_feedback_role_arn": "FailureFeedbackRoleArn",
    "sqs_success_feedback_role_arn": "SuccessFeedbackRoleArn",
    "sqs_success_feedback_sample_rate": "SuccessFeedbackSampleRate",
}
_TOPIC = {"name": "TopicName"} | dict.fromkeys(_FEEDBACK, "DeliveryStatusLogging")
_USERS = {
    "name": "UserPoolName",
    "tags_all": "UserPoolTags",
}

KINDS = {
    "aws_apigatewayv2_api": Kind("AWS::ApiGatewayV2::Api"),
    "aws_apigatewayv2_api_mapping": Kind("AWS::ApiGatewayV2::ApiMapping"),
    "aws_apigatewayv2_authorizer": Kind(
        "AWS::ApiGatewayV2::Authorizer", {"identity_sources": "IdentitySource"}
    ),
    "aws_apigatewayv2_domain_name": Kind(
        "AWS::ApiGatewayV2::DomainName",
        {"domain_name_configuration": "DomainNameConfigurations"},
        (
            "domain_name_configuration.hosted_zone_id",
            "domain_name_configuration.target_domain_name",
        ),
    ),
    "aws_apigatewayv2_integration": Kind(
        "AWS::ApiGatewayV2::Integration", {"timeout_milliseconds": "TimeoutInMillis"}
    ),
    "aws_apigatewayv2_route": Kind("AWS::ApiGatewayV2::Route"),
    "aws_apigatewayv2_stage": Kind("AWS::ApiGatewayV2::Stage", {"name": "StageName"}),
    "aws_apigatewayv2_vpc_link": Kind("AWS::ApiGatewayV2::VpcLink"),
    "aws_appautoscaling_policy": Kind(
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        {
            "name": "PolicyName",
            "step_scaling_policy_configuration.step_adjustment": "StepAdjustments",
        },
    ),
    "aws_appautoscaling_target": Kind(
        "AWS::ApplicationAutoScaling::ScalableTarget", without=("tags_all",)
    ),
    "aws_athena_named_query": Kind("AWS::Athena::NamedQuery", {"query": "QueryString"}),
    "aws_athena_workgroup": Kind(
        "AWS::Athena::WorkGroup",
        {
            "configuration": "WorkGroupConfiguration",
            "configuration.result_configuration.encryption_configuration.kms_key_arn": "KmsKey",
            "force_destroy": "RecursiveDeleteOption",
        },
    ),
    "aws_budgets_budget": Kind(
        "AWS::Budgets::Budget",
        _BUDGET,
        values={
            "cost_filter": lambda filters: {each["name"]: each["values"] for each in filters},
            "notification.subscriber_sns_topic_arns": _topics,
        },
    ),
    "aws_cloudfront_distribution": Kind("AWS::CloudFront::Distribution", _DISTRIBUTION),
    "aws_cloudtrail": Kind("AWS::CloudTrail::Trail", _TRAIL, fixed={"IsLogging": True}),
    "aws_cloudwatch_composite_alarm": Kind("AWS::CloudWatch::CompositeAlarm"),
    "aws_cloudwatch_dashboard": Kind("AWS::CloudWatch::Dashboard"),
    "aws_cloudwatch_event_rule": Kind("AWS::Events::Rule"),
    "aws_cloudwatch_log_group": Kind("AWS::Logs::LogGroup", {"name": "LogGroupName"}),
    "aws_cloudwatch_log_stream": Kind("AWS::Logs::LogStream", {"name": "LogStreamName"}),
    "aws_cloudwatch_metric_alarm": Kind("AWS::CloudWatch::Alarm", _ALARM),
    "aws_cloudwatch_query_definition": Kind("AWS::Logs::QueryDefinition"),
    "aws_cognito_resource_server": Kind(
        "AWS::Cognito::UserPoolResourceServer",
        {"scope": "Scopes"},
    ),
    "aws_cognito_user_pool": Kind("AWS::Cognito::UserPool", _USERS, ("password_policy",)),
    "aws_cognito_user_pool_client": Kind("AWS::Cognito::UserPoolClient", {"name": "ClientName"}),
    "aws_cognito_user_pool_domain": Kind("AWS::Cognito::UserPoolDomain"),
    "aws_dynamodb_table": Kind(
        "AWS::DynamoDB::Table",
        _TABLE,
        ("global_secondary_index.read_capacity", "global_secondary_index.write_capacity"),
        values={
            "server_side_encryption": _encrypted,
            "hash_key": _key("HASH"),
            "range_key": _key("RANGE"),
            "global_secondary_index.hash_key": _key("HASH"),
            "global_secondary_index.range_key": _key("RANGE"),
        },
    ),
    "aws_ecr_lifecycle_policy": Kind(
        "AWS::ECR::Repository",
        {"policy": "LifecyclePolicy.LifecyclePolicyText"},
        ("repository",),
    ),
    "aws_ecr_repository": Kind(
        "AWS::ECR::Repository", {"name": "RepositoryName", "force_delete": "EmptyOnDelete"}
    ),
    "aws_ecr_repository_policy": Kind(
        "AWS::ECR::Repository", {"policy": "RepositoryPolicyText"}, ("repository",)
    ),
    "aws_ecs_cluster": Kind(
        "AWS::ECS::Cluster", {"name": "ClusterName", "setting": "ClusterSettings"}
    ),
    "aws_ecs_cluster_capacity_providers": Kind(
        "AWS::ECS::ClusterCapacityProviderAssociations",
        {"cluster_name": "Cluster"},
        fixed={"DefaultCapacityProviderStrategy": []},  # only CloudFormation requires it
    ),
    "aws_ecs_service": Kind(
        "AWS::ECS::Service",
        _TASKS,
        ("wait_for_steady_state",),
        values={"network_configuration.assign_public_ip": _assigned},
    ),
    "aws_ecs_task_definition": Kind(
        "AWS::ECS::TaskDefinition",
        {"volume": "Volumes"},
        ("skip_destroy", "volume.configure_at_launch"),
    ),
    "aws_eip": Kind("AWS::EC2::EIP"),
    "aws_flow_log": Kind(
        "AWS::EC2::FlowLog",
        {"iam_role_arn": "DeliverLogsPermissionArn", "vpc_id": "ResourceId"},
        fixed={"ResourceType": "VPC"},
    ),
    "aws_glue_catalog_database": Kind(
        "AWS::Glue::Database",
        {name: f"DatabaseInput.{name}" for name in ("description", "name")},
        ("tags_all",),
        fixed=_CATALOG,
    ),
    "aws_glue_catalog_table": Kind(
        "AWS::Glue::Table",
        {
            name: f"TableInput.{name}"
            for name in (
                "description",
                "name",
                "parameters",
                "partition_keys",
                "storage_descriptor",
                "table_type",
            )
        }
        | {"storage_descriptor.ser_de_info": "SerdeInfo"},
        fixed=_CATALOG,
    ),
    "aws_iam_openid_connect_provider": Kind("AWS::IAM::OIDCProvider"),
    "aws_iam_policy": Kind(
        "AWS::IAM::ManagedPolicy",
        {"name": "ManagedPolicyName", "policy": "PolicyDocument"},
        ("tags_all",),
    ),
    "aws_iam_role": Kind(
        "AWS::IAM::Role",
        {"name": "RoleName", "assume_role_policy": "AssumeRolePolicyDocument"},
        ("inline_policy",),
    ),
    "aws_iam_role_policy": Kind(
        "AWS::IAM::RolePolicy",
        {"name": "PolicyName", "policy": "PolicyDocument", "role": "RoleName"},
    ),
    "aws_internet_gateway": Kind("AWS::EC2::InternetGateway", without=("vpc_id",)),
    "aws_kinesis_firehose_delivery_stream": Kind(
        "AWS::KinesisFirehose::DeliveryStream",
        _STREAM,
        ("destination", "server_side_encryption.enabled"),
    ),
    "aws_kms_alias": Kind("AWS::KMS::Alias", {"name": "AliasName"}),
    "aws_kms_key": Kind(
        "AWS::KMS::Key",
        {"deletion_window_in_days": "PendingWindowInDays", "policy": "KeyPolicy"},
    ),
    "aws_nat_gateway": Kind("AWS::EC2::NatGateway"),
    "aws_route": Kind("AWS::EC2::Route"),
    "aws_route_table": Kind("AWS::EC2::RouteTable"),
    "aws_route_table_association": Kind("AWS::EC2::SubnetRouteTableAssociation"),
    "aws_route53_resolver_firewall_domain_list": Kind("AWS::Route53Resolver::FirewallDomainList"),
    "aws_route53_resolver_firewall_rule_group": Kind("AWS::Route53Resolver::FirewallRuleGroup"),
    "aws_route53_resolver_firewall_rule_group_association": Kind(
        "AWS::Route53Resolver::FirewallRuleGroupAssociation"
    ),
    "aws_s3_bucket": Kind(
        "AWS::S3::Bucket",
        {"bucket": "BucketName"},
        (
            "force_destroy",
            "grant",
            "lifecycle_rule",
            "server_side_encryption_configuration",
            "versioning",
        ),
    ),
    "aws_s3_bucket_lifecycle_configuration": Kind("AWS::S3::Bucket", _LIFECYCLE, ("rule.filter",)),
    "aws_s3_bucket_policy": Kind("AWS::S3::BucketPolicy", {"policy": "PolicyDocument"}),
    "aws_s3_bucket_public_access_block": Kind(
        "AWS::S3::Bucket",
        {
            "bucket": "BucketName",
            "block_public_acls": "PublicAccessBlockConfiguration.BlockPublicAcls",
            "block_public_policy": "PublicAccessBlockConfiguration.BlockPublicPolicy",
            "ignore_public_acls": "PublicAccessBlockConfiguration.IgnorePublicAcls",
            "restrict_public_buckets": "PublicAccessBlockConfiguration.RestrictPublicBuckets",
        },
    ),
    "aws_s3_bucket_server_side_encryption_configuration": Kind("AWS::S3::Bucket", _ENCRYPTION),
    "aws_s3_bucket_versioning": Kind(
        "AWS::S3::Bucket", {"bucket": "BucketName"}, ("versioning_configuration.mfa_delete",)
    ),
    "aws_security_group": Kind(
        "AWS::EC2::SecurityGroup",
        {"name": "GroupName", "description": "GroupDescription"},
        ("egress", "ingress"),
    ),
    "aws_service_discovery_private_dns_namespace": Kind(
        "AWS::ServiceDiscovery::PrivateDnsNamespace"
    ),
    "aws_service_discovery_service": Kind("AWS::ServiceDiscovery::Service"),
    "aws_sesv2_configuration_set": Kind(
        "AWS::SES::ConfigurationSet",
        {"configuration_set_name": "Name"},
        ("reputation_options.last_fresh_start",),
    ),
    "aws_sesv2_email_identity": Kind(
        "AWS::SES::EmailIdentity",
        {"configuration_set_name": "ConfigurationSetAttributes.ConfigurationSetName"},
        ("dkim_signing_attributes",),
    ),
    "aws_sns_topic": Kind(
        "AWS::SNS::Topic",
        _TOPIC,
        values={name: _feedback(of) for name, of in _FEEDBACK.items()},
    ),
    "aws_sns_topic_policy": Kind(
        "AWS::SNS::TopicPolicy",
        {"arn": "Topics", "policy": "PolicyDocument"},
        values={"arn": lambda arn: [arn]},
    ),
    "aws_sns_topic_subscription": Kind("AWS::SNS::Subscription"),
    "aws_sqs_queue": Kind(
        "AWS::SQS::Queue",
        {
            "message_retention_seconds": "MessageRetentionPeriod",
            "name": "QueueName",
            "receive_wait_time_seconds": "ReceiveMessageWaitTimeSeconds",
            "visibility_timeout_seconds": "VisibilityTimeout",
        },
        # A standard queue has no scope and no limit; the provider reads them back as empty.
        unset={
            "deduplication_scope": KNOWN_LATER,
            "fifo_throughput_limit": KNOWN_LATER,
            "kms_data_key_reuse_period_seconds": 0,
        },
        apart={"policy": ("AWS::SQS::QueuePolicy", {"Queues": ["any"]})},
    ),
    "aws_ssm_parameter": Kind("AWS::SSM::Parameter", without=("type",), fixed={"Type": "String"}),
    "aws_subnet": Kind("AWS::EC2::Subnet"),
    "aws_vpc": Kind("AWS::EC2::VPC"),
    "aws_vpc_endpoint": Kind(
        "AWS::EC2::VPCEndpoint",
        {"policy": "PolicyDocument"},
        ("dns_entry", "subnet_configuration"),
    ),
    "aws_vpc_security_group_egress_rule": Kind(
        "AWS::EC2::SecurityGroupEgress",
        {
            "cidr_ipv4": "CidrIp",
            "prefix_list_id": "DestinationPrefixListId",
            "referenced_security_group_id": "DestinationSecurityGroupId",
            "security_group_id": "GroupId",
        },
        ("tags_all",),
    ),
    "aws_vpc_security_group_ingress_rule": Kind(
        "AWS::EC2::SecurityGroupIngress",
        {
            "cidr_ipv4": "CidrIp",
            "prefix_list_id": "SourcePrefixListId",
            "referenced_security_group_id": "SourceSecurityGroupId",
            "security_group_id": "GroupId",
        },
        ("tags_all",),
    ),
    "aws_wafv2_web_acl": Kind(
        "AWS::WAFv2::WebACL",
        {
            "rule": "Rules",
            "rule.statement.managed_rule_group_statement.rule_action_override": (
                "RuleActionOverrides"
            ),
        },
    ),
    "aws_wafv2_web_acl_logging_configuration": Kind(
        "AWS::WAFv2::LoggingConfiguration",
        {"logging_filter.filter": "Filters", "logging_filter.filter.condition": "Conditions"},
    ),
}
