# What a delivery sets: images, the boundary of roles, owners. Offline, like queue.tftest.hcl.

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
  target = data.aws_partition.current
  values = { partition = "aws", dns_suffix = "amazonaws.com" }
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

override_resource {
  target          = aws_sns_topic.alerts
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-west-1:123456789012:dev-order-pipeline-alerts" }
}

override_data {
  target = data.aws_ecr_image.worker
  values = { image_digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111" }
}

variables {
  environment      = "dev"
  image_tag        = "v1"
  sender_email     = "orders@example.com"
  operations_email = "operations@example.com"
}

run "every_role_has_the_boundary" {
  command = plan

  variables {
    permissions_boundary = "order-pipeline-boundary-dev"
  }

  assert {
    condition = toset(concat([for each in module.service : each.permissions_boundaries], [[aws_iam_role.sns_feedback.permissions_boundary], [aws_iam_role.flow_log["this"].permissions_boundary]])) == toset([
      ["arn:aws:iam::123456789012:policy/order-pipeline-boundary-dev"], ["arn:aws:iam::123456789012:policy/order-pipeline-boundary-dev", "arn:aws:iam::123456789012:policy/order-pipeline-boundary-dev"],
    ])
    error_message = "the deploy role could not create this role"
  }
}

run "one_service_runs_another_image" {
  command = plan

  override_data {
    target = data.aws_ecr_image.worker["v0"]
    values = { image_digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000" }
  }

  variables {
    image_tags          = { payment = "v0" }
    registry_account_id = "210987654321"
  }

  assert {
    condition = { for name, each in module.service : name => each.container.image if each.container.image != local.images["orders"] } == {
      payment = "210987654321.dkr.ecr.eu-west-1.amazonaws.com/order-pipeline@sha256:0000000000000000000000000000000000000000000000000000000000000000"
    }
    error_message = "not the image of that service alone"
  }
  assert {
    condition     = anytrue([for right in local.pull_rights : right.resources == ["arn:aws:ecr:eu-west-1:210987654321:repository/order-pipeline"]])
    error_message = "the endpoint does not let ECS pull from the registry of the other account"
  }
}

run "one_service_is_rolled_back_and_the_others_keep_what_they_run" {
  command = plan

  override_data {
    target = data.aws_ecs_service.running
    values = { task_definition = "arn:aws:ecs:eu-west-1:123456789012:task-definition/dev-payment:7" }
  }

  override_data {
    target = data.aws_ecs_container_definition.running
    values = { image = "running" }
  }

  variables {
    image_tag  = null
    image_tags = { payment = "v0" }
  }

  assert {
    condition     = { for name, image in local.images : name => image == "running" } == { for name in keys(local.services) : name => name != "payment" }
    error_message = "the rollback of one service deploys another"
  }
}

run "the_owner_of_a_service_gets_its_alarms" {
  command = plan

  variables {
    owner_alerts = { payments = { emails = ["payments@example.com"], urls = ["https://events.example.com/integration/1"] } }
  }

  assert {
    condition = alltrue(flatten([
      for alarms in [
        aws_cloudwatch_metric_alarm.dead_letters, aws_cloudwatch_metric_alarm.undelivered, aws_cloudwatch_metric_alarm.oldest,
        aws_cloudwatch_metric_alarm.stuck, aws_cloudwatch_metric_alarm.breaker_open, aws_cloudwatch_metric_alarm.missing_tasks,
        aws_cloudwatch_metric_alarm.in_flight, aws_cloudwatch_metric_alarm.frozen,
        ] : [
        for name, alarm in alarms : contains(alarm.alarm_actions, "arn:aws:sns:eu-west-1:123456789012:dev-order-pipeline-alerts-${local.services[name].owner}")
        && strcontains(alarm.alarm_description, " Owner: ${local.services[name].owner}. ") && alarm.tags.Owner == local.services[name].owner
      ]
    ]))
    error_message = "the owner of a service does not get its alarm, or the alarm does not name the owner"
  }
  assert {
    condition     = { for owner, topic in aws_sns_topic.owner : owner => topic.name } == { for owner, arn in local.owner_topic_arns : owner => split(":", arn)[5] } && toset(keys(aws_sns_topic.owner)) == toset([for each in jsondecode(file("../workers/topology.json")).services : each.owner])
    error_message = "not one topic for each owner on the map"
  }
  assert {
    condition = { for key, each in aws_sns_topic_subscription.owner : each.endpoint => each.protocol } == {
      "payments@example.com"                     = "email"
      "https://events.example.com/integration/1" = "https"
    }
    error_message = "not the subscriptions of the owner"
  }
  assert {
    condition     = aws_dynamodb_table.this["payment"].tags.Owner == "payments" && aws_dynamodb_table.this["orders"].tags.Owner == "orders"
    error_message = "a table does not name its owner"
  }
}

run "the_audit_covers_the_topic_and_changes" {
  command = plan

  variables {
    audit_queues = true
  }

  assert {
    condition = toset([
      for selector in aws_cloudtrail.audit["this"].advanced_event_selector : one(flatten([for field in selector.field_selector : field.equals if field.field == "resources.ARN"])) if selector.name == "Publishes to the topic"
    ]) == toset(["arn:aws:sns:eu-west-1:123456789012:dev-order-events"])
    error_message = "not the topic of this environment"
  }
  assert {
    condition = contains(flatten([
      for selector in aws_cloudtrail.audit["this"].advanced_event_selector : [for field in selector.field_selector : field.equals if field.field == "eventCategory"]
    ]), "Management") && aws_cloudtrail.audit["this"].include_global_service_events
    error_message = "a change of a role is not recorded"
  }
}

run "a_restored_table_takes_the_place_of_the_old_one" {
  command = plan

  variables {
    table_names = { payment = "dev-payment-restored" }
  }

  assert {
    condition     = { for name, table in aws_dynamodb_table.this : name => table.name if table.name != "dev-${name}" } == { payment = "dev-payment-restored" }
    error_message = "not that table alone"
  }
  assert {
    condition     = local.environments["payment"].TABLE_NAME == "dev-payment-restored" && strcontains(module.service["payment"].task_policy, ":table/dev-payment-restored\"") && !strcontains(module.service["payment"].task_policy, ":table/dev-payment\"")
    error_message = "the service uses the old table, or may not use the new one"
  }
  assert {
    condition     = strcontains(data.aws_iam_policy_document.dynamodb_endpoint.json, ":table/dev-payment-restored\"")
    error_message = "the endpoint does not allow the restored table"
  }
  assert {
    condition     = [for each in jsondecode(aws_ecs_task_definition.reconcile["this"].container_definitions)[0].environment : each.value if each.name == "TABLE_NAMES"] == ["{\"payment\":\"dev-payment-restored\"}"]
    error_message = "the reconciliation reads the old table"
  }
}

run "what_is_not_on_the_map_is_refused" {
  command = plan

  variables {
    image_tags   = { shipping = "v2" }
    owner_alerts = { shipping = { emails = ["shipping@example.com"] } }
    table_names  = { shipping = "shipping-restored" }
  }

  expect_failures = [terraform_data.map]
}

run "invalid_values_are_refused" {
  command = plan

  variables {
    image_tags          = { payment = "latest" }
    owner_alerts        = { payments = { urls = ["http://events.example.com"] } }
    registry_account_id = "1"
    table_names         = { payment = "no spaces" }
    tags                = { Owner = "somebody" }
  }

  expect_failures = [var.image_tags, var.owner_alerts, var.registry_account_id, var.table_names, var.tags]
}
