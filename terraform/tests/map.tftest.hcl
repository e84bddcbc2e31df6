# Plans everything for the map that ships. Offline, like queue.tftest.hcl.

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

# the registry has the image of every tag
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

# these tasks run
override_data {
  target = data.aws_ecs_service.running
  values = { task_definition = "arn:aws:ecs:eu-west-1:123456789012:task-definition/dev-payment:7" }
}

override_data {
  target = data.aws_ecs_container_definition.running
  values = { image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/dev-order-pipeline@sha256:running" }
}

override_resource {
  target          = aws_sesv2_configuration_set.this
  override_during = plan
  values          = { arn = "arn:aws:ses:eu-west-1:123456789012:configuration-set/dev-order-pipeline" }
}

variables {
  environment      = "dev"
  image_tag        = "v1"
  sender_email     = "orders@example.com"
  operations_email = "operations@example.com"
}

run "the_map_that_ships" {
  command = plan

  # one resource of each kind for every entry of the map
  assert {
    condition     = toset(keys(module.queue)) == toset([for name, each in jsondecode(file("../workers/topology.json")).services : name if length(each.consumes) > 0])
    error_message = "not one queue for each consumer"
  }
  assert {
    condition     = toset(keys(module.service)) == toset(keys(jsondecode(file("../workers/topology.json")).services))
    error_message = "not one service for each service of the map"
  }
  assert {
    condition     = toset(keys(aws_dynamodb_table.this)) == toset(keys(jsondecode(file("../workers/topology.json")).tables))
    error_message = "not one table for each of the map"
  }
  assert {
    condition = alltrue([
      for alarms in [
        aws_cloudwatch_metric_alarm.dead_letters, aws_cloudwatch_metric_alarm.undelivered,
        aws_cloudwatch_metric_alarm.oldest, aws_cloudwatch_metric_alarm.stuck, aws_cloudwatch_metric_alarm.breaker_open,
      ] : toset(keys(alarms)) == toset(keys(module.queue))
    ])
    error_message = "a consumer without one of its alarms"
  }
  assert {
    condition     = length(distinct([for each in module.service : each.task_policy])) == length(module.service)
    error_message = "two services share a policy, so one has too many permissions"
  }

  # names are what the code looks up
  assert {
    condition     = module.queue["payment"].name == "dev-payment-queue" && module.queue["payment"].dlq_name == "dev-payment-queue-dlq"
    error_message = "workers/topology.py uses other names of queues"
  }
  assert {
    condition     = aws_sns_topic.this.name == "dev-order-events" && aws_dynamodb_table.this["payment"].name == "dev-payment"
    error_message = "workers/topology.json uses other names of topic and tables"
  }
  assert {
    condition     = local.environments["payment"].NAME_PREFIX == "dev-"
    error_message = "the code would look for other names"
  }

  # Container Insights counts tasks, and bills no more
  assert {
    condition     = one(aws_ecs_cluster.this.setting).value == "enabled"
    error_message = "metrics of each task and container cost money, and nothing needs them"
  }

  # tables are protected
  assert {
    condition     = alltrue([for table in aws_dynamodb_table.this : table.point_in_time_recovery[0].enabled && table.server_side_encryption[0].enabled && table.deletion_protection_enabled])
    error_message = "a table without backups, encryption or deletion protection"
  }
  assert {
    condition     = alltrue([for table in aws_dynamodb_table.this : table.hash_key == "pk" && one(table.ttl[*].attribute_name) == "expires"])
    error_message = "not the key or the time to live that workers/aws/dynamodb.py uses"
  }
  assert {
    condition     = jsonencode({ for name, table in aws_dynamodb_table.this : name => [for index in table.global_secondary_index : index.name] if length(table.global_secondary_index) > 0 }) == jsonencode({ orders = ["outbox"] })
    error_message = "the outbox index is not on the table of the relay"
  }

  # no wildcard in actions, and none in resources except these
  assert {
    condition = alltrue(flatten([
      for each in module.service : [for said in jsondecode(each.task_policy).Statement : [for action in flatten([said.Action]) : !strcontains(action, "*")]]
    ]))
    error_message = "a task's role has a wildcard in its actions"
  }
  assert {
    condition = toset(flatten([
      for each in module.service : [for said in jsondecode(each.task_policy).Statement : [for arn in flatten([said.Resource]) : arn if strcontains(arn, "*")]]
    ])) == toset(["arn:aws:ecs:eu-west-1:123456789012:task/dev-order-pipeline/*"])
    error_message = "a task's role has a wildcard in its resources"
  }
  assert {
    condition     = alltrue([for name, each in module.service : strcontains(each.task_policy, "ecs:UpdateTaskProtection") == contains(keys(module.queue), name)])
    error_message = "scale-in protection is for consumers only"
  }
  assert {
    condition     = toset([for name, each in module.service : name if strcontains(each.task_policy, "ses:")]) == toset(["notification"])
    error_message = "only notification may send mail"
  }

  # only the publishers on the map may publish
  assert {
    condition = toset(one([for each in jsondecode(data.aws_iam_policy_document.topic.json).Statement : each.Condition.ArnNotEquals["aws:PrincipalArn"] if each.Sid == "DenyOtherPublishers"])) == toset([
      for name, each in jsondecode(file("../workers/topology.json")).services : "arn:aws:iam::123456789012:role/dev-${name}-task" if length(each.publishes) > 0
    ])
    error_message = "not the publishers on the map"
  }
  assert {
    condition     = toset([for name, each in module.service : name if strcontains(each.task_policy, "sns:Publish")]) == toset([for name, each in jsondecode(file("../workers/topology.json")).services : name if length(each.publishes) > 0])
    error_message = "not the roles of the publishers"
  }
  assert {
    condition     = anytrue([for each in jsondecode(data.aws_iam_policy_document.topic.json).Statement : each.Effect == "Deny" && try(each.Condition.Bool["aws:SecureTransport"], "") == "false"])
    error_message = "the topic accepts requests without TLS"
  }

  # a task has what the code reads
  assert {
    condition     = alltrue([for each in local.environments : tonumber(each.STOP_TIMEOUT) == local.stop_timeout && local.stop_timeout <= 120])
    error_message = "the code must know the stop timeout, at most 120 s on Fargate"
  }
  assert {
    condition     = alltrue([for each in local.environments : each.ALLOW_SIMULATION == "false"])
    error_message = "simulation must be off by default"
  }
  assert {
    condition     = local.environments["payment"].VISIBILITY_TIMEOUT == "90" && local.environments["payment"].CONCURRENCY == "10"
    error_message = "the task does not get the settings of its queue"
  }
  assert {
    condition     = toset([for name, each in local.environments : name if can(each.SENDER_EMAIL)]) == toset(["notification"])
    error_message = "only a service that sends mail gets addresses"
  }

  # nothing reaches the internet
  assert {
    condition     = alltrue([for subnet in aws_subnet.private : subnet.map_public_ip_on_launch != true]) && length(aws_subnet.private) == 2
    error_message = "a subnet assigns public addresses"
  }
  assert {
    condition     = length(aws_vpc_security_group_egress_rule.elsewhere) == 0 && aws_vpc_security_group_egress_rule.endpoints["this"].to_port == 443
    error_message = "tasks reach more than the endpoints"
  }
  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["ecr.api", "ecr.dkr", "email", "logs", "sns", "sqs"])
    error_message = "an unnecessary endpoint costs money, a missing one stops a service"
  }
  assert {
    condition = alltrue(flatten([
      for document in concat(values(data.aws_iam_policy_document.endpoint), [data.aws_iam_policy_document.dynamodb_endpoint, data.aws_iam_policy_document.s3_endpoint]) : [
        for said in jsondecode(document.json).Statement : [
          for action in flatten([said.Action]) : !strcontains(action, "*") && (said.Resource != "*" || action == "ecr:GetAuthorizationToken")
        ]
      ]
    ]))
    error_message = "an endpoint allows more than the services need"
  }
}

run "with_a_customer_managed_key_and_an_existing_network" {
  command = plan

  variables {
    customer_managed_key = true
    vpc_id               = "vpc-0123456789abcdef0"
    subnet_ids           = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  }

  # SNS may use the key
  assert {
    condition = [
      for each in jsondecode(data.aws_iam_policy_document.messaging_key.json).Statement : each if each.Sid == "TopicDeliversToQueues"
      ] == [{
        Sid       = "TopicDeliversToQueues"
        Effect    = "Allow"
        Action    = ["kms:GenerateDataKey*", "kms:Decrypt"]
        Resource  = "*"
        Principal = { Service = "sns.amazonaws.com" }
        Condition = {
          ArnEquals    = { "aws:SourceArn" = "arn:aws:sns:eu-west-1:123456789012:dev-order-events" }
          StringEquals = { "aws:SourceAccount" = "123456789012" }
        }
    }]
    error_message = "SNS would silently drop every message"
  }
  assert {
    condition     = aws_kms_key.messaging["this"].enable_key_rotation
    error_message = "the key is not rotated"
  }

  # the existing network is unchanged
  assert {
    condition     = length(aws_vpc.this) + length(aws_subnet.private) + length(aws_vpc_endpoint.interface) + length(aws_vpc_endpoint.gateway) == 0
    error_message = "the plan creates parts of a network"
  }
  assert {
    condition     = length(aws_vpc_security_group_egress_rule.elsewhere) == 1
    error_message = "tasks cannot reach AWS"
  }
}

run "a_change_of_capacity_keeps_the_image_that_runs" {
  command = plan

  variables {
    image_tag = null
    services  = { payment = { max = 20 } }
  }

  assert {
    condition     = toset([for each in module.service : each.container.image]) == toset(["123456789012.dkr.ecr.eu-west-1.amazonaws.com/dev-order-pipeline@sha256:running"])
    error_message = "a change of capacity deploys another image"
  }
  assert {
    condition     = data.aws_ecs_container_definition.running["payment"].task_definition == data.aws_ecs_service.running["payment"].task_definition
    error_message = "after a rollback, the newest task definition is not the one that runs"
  }
}

run "an_account_in_the_sandbox_of_ses" {
  command = plan

  variables {
    sandbox_recipients = ["you@example.org"]
  }

  assert {
    condition     = keys(aws_sesv2_email_identity.recipient) == ["you@example.org"]
    error_message = "SES does not ask the recipient to confirm"
  }
  assert {
    condition     = strcontains(module.service["notification"].task_policy, "arn:aws:ses:eu-west-1:123456789012:identity/you@example.org") && strcontains(data.aws_iam_policy_document.endpoint["email"].json, "identity/you@example.org")
    error_message = "in the sandbox, the recipient's identity must be allowed too"
  }
}

run "endpoints_and_insights_of_choice" {
  command = plan

  variables {
    container_insights = "enhanced"
    services           = { payment = { secrets = { KEY = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway-AbCdEf:key::" } } }
  }

  assert {
    condition     = one(aws_ecs_cluster.this.setting).value == "enhanced"
    error_message = "not the given insights"
  }
  assert {
    condition     = one(jsondecode(data.aws_iam_policy_document.endpoint["secretsmanager"].json).Statement).Resource == "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway-AbCdEf"
    error_message = "the endpoint must allow the secret, whichever key of it a task gets"
  }
}
