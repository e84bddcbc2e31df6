# Shells in tasks and the names that the VPC resolves. Offline.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "offline"
  secret_key                  = "offline"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

provider "aws" {
  alias                       = "us_east_1"
  region                      = "us-east-1"
  access_key                  = "offline"
  secret_key                  = "offline"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = data.aws_ecr_image.worker
  values = { image_digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
}

override_data {
  target = data.aws_partition.current
  values = { partition = "aws" }
}

override_resource {
  target          = aws_sns_topic.this
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-west-1:123456789012:dev-order-events" }
}

override_resource {
  target          = aws_ecs_cluster.this
  override_during = plan
  values          = { arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/dev-order-pipeline" }
}

variables {
  environment      = "dev"
  stage            = "development"
  image_tag        = "v1"
  sender_email     = "orders@example.com"
  operations_email = "operations@example.com"
}

run "no_shell_and_no_firewall_by_default" {
  command = plan

  assert {
    condition     = length(aws_cloudwatch_log_group.sessions) + length(aws_kms_key.sessions) + length(aws_ecs_cluster.this.configuration) == 0
    error_message = "sessions are configured although nobody can open one"
  }
  assert {
    condition     = alltrue([for each in module.service : each.container.readonlyRootFilesystem && !each.container.linuxParameters.initProcessEnabled])
    error_message = "a writable root file system, or ECS Exec"
  }
  assert {
    condition     = length(aws_route53_resolver_firewall_rule_group_association.this) + length(aws_route53_resolver_firewall_domain_list.this) == 0
    error_message = "a firewall that nobody asked for"
  }
}

run "every_endpoint_serves_this_account_alone" {
  command = plan

  assert {
    condition = alltrue([
      for document in concat(values(data.aws_iam_policy_document.endpoint)[*].json, [data.aws_iam_policy_document.dynamodb_endpoint.json]) : alltrue([
        for each in jsondecode(document).Statement :
        each.Effect == "Allow" && try(each.Condition.StringEquals["aws:PrincipalAccount"], "") == "123456789012"
      ])
    ])
    error_message = "credentials of another account could use an endpoint"
  }

  # a resource of another account is none of these; this action has no resource
  assert {
    condition = alltrue(flatten([
      for document in concat(values(data.aws_iam_policy_document.endpoint)[*].json, [data.aws_iam_policy_document.dynamodb_endpoint.json]) : [
        for each in jsondecode(document).Statement : [
          for arn in flatten([each.Resource]) : strcontains(arn, ":123456789012:") || each.Action == "ecr:GetAuthorizationToken"
        ]
      ]
    ]))
    error_message = "an endpoint reaches resources of other accounts"
  }

  # the one bucket is that of the registry's layers, and it can only be read
  assert {
    condition = [for each in jsondecode(data.aws_iam_policy_document.s3_endpoint.json).Statement : [each.Action, each.Resource]] == [
      ["s3:GetObject", "arn:aws:s3:::prod-eu-west-1-starport-layer-bucket/*"]
    ]
    error_message = "tasks could write to a bucket"
  }
}

run "sessions_are_logged_under_a_key_of_their_own" {
  command = plan

  variables {
    enable_execute_command = true
  }

  assert {
    condition = [for each in one(one(aws_ecs_cluster.this.configuration).execute_command_configuration) : each] != [] && alltrue([
      for each in one(aws_ecs_cluster.this.configuration).execute_command_configuration :
      each.logging == "OVERRIDE" && one(each.log_configuration).cloud_watch_encryption_enabled &&
      one(each.log_configuration).cloud_watch_log_group_name == "/ecs/dev-order-pipeline/sessions"
    ])
    error_message = "a session would not be logged"
  }
  assert {
    condition     = aws_cloudwatch_log_group.sessions["this"].name == "/ecs/dev-order-pipeline/sessions" && aws_kms_key.sessions["this"].enable_key_rotation
    error_message = "not the group that the cluster names, or no key"
  }
  assert {
    condition = [for each in jsondecode(data.aws_iam_policy_document.session_key["this"].json).Statement : each.Condition if each.Sid == "LogIsEncrypted"] == [
      { StringEquals = { "kms:EncryptionContext:aws:logs:arn" = local.session_log_arn } }
    ]
    error_message = "the key serves other logs"
  }

  # the agent reaches its service and the log through the endpoints
  assert {
    condition = (
      contains(keys(aws_vpc_endpoint.interface), "ssmmessages") &&
      contains(flatten([for each in jsondecode(data.aws_iam_policy_document.endpoint["logs"].json).Statement : each.Action]), "logs:DescribeLogGroups")
    )
    error_message = "ECS Exec would not work"
  }

  # and the image stays read-only in every task
  assert {
    condition     = alltrue([for each in module.service : each.container.readonlyRootFilesystem])
    error_message = "a writable root file system"
  }
}

run "only_the_names_that_tasks_need_are_resolved" {
  command = plan

  variables {
    dns_firewall    = { domains = ["login.example.com"] }
    internet        = "nat"
    payment_gateway = "stripe"
    services        = { payment = { secrets = { STRIPE_API_KEY = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/stripe-AbCdEf" } } }
  }

  assert {
    condition = toset(aws_route53_resolver_firewall_domain_list.this["allow"].domains) == toset([
      "123456789012.ddb.eu-west-1.amazonaws.com", "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "api.ecr.eu-west-1.amazonaws.com",
      "api.stripe.com", "dynamodb.eu-west-1.amazonaws.com", "email.eu-west-1.amazonaws.com", "login.example.com",
      "logs.eu-west-1.amazonaws.com", "prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com",
      "secretsmanager.eu-west-1.amazonaws.com", "sns.eu-west-1.amazonaws.com", "sqs.eu-west-1.amazonaws.com",
    ])
    error_message = "not the names: ${join(" ", aws_route53_resolver_firewall_domain_list.this["allow"].domains)}"
  }

  # everything else is refused, and only after the names that are allowed
  assert {
    condition = (
      aws_route53_resolver_firewall_domain_list.this["block"].domains == toset(["*"]) &&
      jsonencode({ for name, each in aws_route53_resolver_firewall_rule.this : name => [each.action, each.block_response] }) == jsonencode({ allow = ["ALLOW", null], block = ["BLOCK", "NXDOMAIN"] }) &&
      aws_route53_resolver_firewall_rule.this["allow"].priority < aws_route53_resolver_firewall_rule.this["block"].priority
    )
    error_message = "other names are resolved, or none"
  }

  # an interface endpoint without its name would be cut off
  assert {
    condition = alltrue([
      for endpoint in keys(aws_vpc_endpoint.interface) : anytrue([
        for name in local.dns_names : endswith(name, "${join(".", reverse(split(".", endpoint)))}.eu-west-1.amazonaws.com")
      ])
    ])
    error_message = "an endpoint whose name is not resolved"
  }
}
