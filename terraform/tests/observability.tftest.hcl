# Alarms, their topic, the dashboard, and the switches for audit and budget. Offline, like
# queue.tftest.hcl.

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

override_resource {
  target          = aws_apigatewayv2_api.orders
  override_during = plan
  values          = { id = "api123" }
}

override_resource {
  target          = aws_sns_topic.alerts
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-west-1:123456789012:dev-order-pipeline-alerts" }
}

variables {
  environment      = "dev"
  image_tag        = "v1"
  sender_email     = "orders@example.com"
  operations_email = "operations@example.com"
}

run "every_service_is_monitored" {
  command = plan

  variables {
    alert_emails = ["oncall@example.com"]
  }

  # every consumer and every service has its alarms
  assert {
    condition = alltrue([
      for alarms in [
        aws_cloudwatch_metric_alarm.dead_letters, aws_cloudwatch_metric_alarm.undelivered,
        aws_cloudwatch_metric_alarm.oldest, aws_cloudwatch_metric_alarm.stuck, aws_cloudwatch_metric_alarm.breaker_open,
        aws_cloudwatch_metric_alarm.in_flight, aws_cloudwatch_metric_alarm.frozen,
      ] : toset(keys(alarms)) == toset([for name, each in jsondecode(file("../workers/topology.json")).services : name if length(each.consumes) > 0])
    ])
    error_message = "a consumer without one of its alarms"
  }
  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.missing_tasks)) == toset(keys(jsondecode(file("../workers/topology.json")).services))
    error_message = "a service without an alarm for missing tasks"
  }

  # alarms use the metrics of the right queue
  assert {
    condition     = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.dead_letters : alarm.dimensions.QueueName == "dev-${name}-queue-dlq" && alarm.alarm_name == "dev-order-pipeline-${name}-dead-letters"])
    error_message = "the alarm for dead letters uses another queue"
  }
  assert {
    condition     = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.undelivered : alarm.dimensions.QueueName == "dev-${name}-queue-undelivered"])
    error_message = "the alarm for undelivered messages uses another queue"
  }
  assert {
    condition = alltrue([
      for name, alarm in aws_cloudwatch_metric_alarm.oldest : alarm.threshold == local.alarm_list["late"].threshold && {
        for query in alarm.metric_query : query.id => query.metric[0].dimensions if length(query.metric) > 0
      } == { age = tomap({ QueueName = "dev-${name}-queue" }), paused = tomap({ Environment = "dev", Service = name }) }
    ])
    error_message = "not ten times the acceptable latency (30 s), or not the queue and the pauses of the service"
  }
  # the task writes its metrics with these dimensions: with others, the alarm would have no data
  assert {
    condition = alltrue([
      for name, alarm in aws_cloudwatch_metric_alarm.breaker_open :
      alarm.dimensions == tomap({ Environment = local.environments[name].ENVIRONMENT, Service = module.service[name].container.command[0] })
    ])
    error_message = "the task uses other dimensions"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.outbox_age.dimensions == tomap({ Environment = local.environments["relay"].ENVIRONMENT, Service = "relay" })
    error_message = "the relay uses other dimensions"
  }

  # a service is stuck when messages wait and none is settled
  assert {
    condition = {
      for query in aws_cloudwatch_metric_alarm.stuck["payment"].metric_query : query.id => query.metric[0].metric_name if length(query.metric) > 0
    } == { visible = "ApproximateNumberOfMessagesVisible", processed = "MessagesProcessed", failed = "MessagesFailed", paused = "Paused" }
    error_message = "not the metrics of waiting and settled messages"
  }
  assert {
    condition     = [for query in aws_cloudwatch_metric_alarm.stuck["payment"].metric_query : query.expression if query.return_data] == ["IF(visible > 0 AND FILL(processed, 0) + FILL(failed, 0) < 1 AND FILL(paused, 0) < 1, 1, 0)"]
    error_message = "without tasks there is no data, which must count as nothing settled and not paused"
  }

  # without a relay there is an alarm
  assert {
    condition     = aws_cloudwatch_metric_alarm.outbox_age.treat_missing_data == "breaching"
    error_message = "missing data must count as breaching"
  }

  # without tasks there is no data, and an alarm
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.missing_tasks : alarm.treat_missing_data == "breaching"])
    error_message = "the alarm for missing tasks is silent once all are gone"
  }
  assert {
    condition     = [for query in aws_cloudwatch_metric_alarm.missing_tasks["payment"].metric_query : query.expression if query.return_data] == ["desired - FILL(running, 0)"]
    error_message = "no data about running tasks must count as none"
  }

  # a harmful release rolls itself back
  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.release)) == toset(keys(module.service))
    error_message = "a service whose releases nothing rolls back"
  }
  assert {
    condition = {
      for query in aws_cloudwatch_metric_alarm.release["payment"].metric_query : query.id => query.metric[0].metric_name if length(query.metric) > 0
    } == { handled = "MessagesProcessed", failed = "MessagesFailed", dead = "DeadLettered" }
    error_message = "not what payment handled, failed and dead-lettered"
  }
  assert {
    condition = {
      for query in aws_cloudwatch_metric_alarm.release["order-api"].metric_query : query.id => query.metric[0].metric_name if length(query.metric) > 0
    } == { errors = "5xx", requests = "Count" }
    error_message = "not the answers of order-api"
  }

  assert {
    condition = {
      for name in ["order-api", "payment", "relay"] : name => one([for query in aws_cloudwatch_metric_alarm.release[name].metric_query : query.expression if query.return_data])
      } == {
      order-api = "IF(errors >= 5 AND 10 * errors > requests, 1, 0)"
      payment   = "IF((failed >= 5 AND failed > handled) OR dead >= 5, 1, 0)"
      relay     = "IF(age > 60, 1, 0)"
    }
    error_message = "a release that fails most of its work, dead-letters it or publishes nothing would stay"
  }

  # a failed deployment is reported
  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.deployment_failed.event_pattern) == {
      source      = ["aws.ecs"]
      detail-type = ["ECS Deployment State Change"]
      resources   = [{ prefix = "arn:aws:ecs:eu-west-1:123456789012:service/dev-order-pipeline/" }]
      detail      = { eventName = ["SERVICE_DEPLOYMENT_FAILED"] }
    }
    error_message = "not the failed deployments of this cluster"
  }
  assert {
    condition     = aws_cloudwatch_event_target.deployment_failed.arn == aws_sns_topic.alerts.arn && alltrue([for name in ["deployment", "reason", "service"] : strcontains(one(aws_cloudwatch_event_target.deployment_failed.input_transformer).input_template, "<${name}>")])
    error_message = "nobody hears of a failed deployment"
  }

  # every alarm notifies the topic and says what to do
  assert {
    condition = alltrue([
      for alarm in concat(local.alarms, [aws_cloudwatch_composite_alarm.orders]) :
      contains(alarm.alarm_actions, aws_sns_topic.alerts.arn) && toset(alarm.ok_actions) == toset(alarm.alarm_actions) && length(alarm.alarm_description) > 40
    ])
    error_message = "an alarm without an action or a description"
  }
  assert {
    condition     = length([for alarm in local.alarms : alarm if !strcontains(alarm.alarm_name, "-archive-")]) == 7 * length(local.consumers) + length(local.services) + 8 && length(distinct(local.alarms[*].alarm_name)) == length(local.alarms)
    error_message = "an alarm is missing from the list, or two have the same name"
  }

  # texts and times of every alarm are those of the list, from which Prometheus has its rules
  assert {
    condition = toset([for alarm in local.alarms : alarm.alarm_description if !strcontains(alarm.alarm_name, "-archive-")]) == toset(flatten([
      for name, alarm in { for name, alarm in local.alarm_list : name => alarm if !startswith(name, "archive-") } : [
        for service in(alarm.scope == "consumer" ? keys(local.consumers) : alarm.scope == "service" ? keys(local.services) : [alarm.scope]) :
        local.alarm_texts[name][service]
      ]
    ]))
    error_message = "an alarm of the list is missing, or one is not in the list"
  }
  assert {
    condition = alltrue([
      for alarm in local.alarms : can(regex("Owner: [a-z]+\\. Runbook: docs/runbooks/[a-z-]+\\.md$", alarm.alarm_description)) && length(alarm.alarm_description) <= 1024 && !strcontains(alarm.alarm_description, "$")
    ])
    error_message = "an alarm without an owner or a runbook"
  }
  assert {
    condition = alltrue(flatten([
      for name, alarm in local.alarm_list : [
        for made in concat(
          [for each in local.alarms : each if can(each.threshold)],
          [for key, each in aws_cloudwatch_metric_alarm.burn : merge(each, { alarm_name = "dev-order-pipeline-${local.burn_windows[key].alarm == alarm ? name : "other"}" })],
        ) :
        made.threshold == alarm.threshold
        # the archive has alarms of its own that are called late and undelivered
        if endswith(made.alarm_name, "-${name}") && strcontains(made.alarm_name, "-archive-") == startswith(name, "archive-")
      ]
    ]))
    error_message = "a threshold is not that of the list"
  }
  assert {
    condition = alltrue(flatten([
      for name, alarm in local.alarm_list : [
        for made in [for each in local.alarms : each if can(each.threshold)] :
        made.evaluation_periods * (made.period != null ? made.period : max([for query in made.metric_query : query.metric[0].period if length(query.metric) > 0]...)) == alarm.minutes * 60
        if endswith(made.alarm_name, "-${name}") && strcontains(made.alarm_name, "-archive-") == startswith(name, "archive-")
      ]
    ]))
    error_message = "an alarm waits longer or shorter than the list says"
  }

  # the error budget burns over a long and a short window
  assert {
    condition = { for name, alarm in aws_cloudwatch_composite_alarm.burn : name => alarm.alarm_rule } == {
      order-burn-fast = "ALARM(\"dev-order-pipeline-order-burn-fast-60m\") AND ALARM(\"dev-order-pipeline-order-burn-fast-5m\")"
      order-burn-slow = "ALARM(\"dev-order-pipeline-order-burn-slow-360m\") AND ALARM(\"dev-order-pipeline-order-burn-slow-30m\")"
    }
    error_message = "not both windows"
  }
  assert {
    condition = alltrue([
      for name, alarm in aws_cloudwatch_metric_alarm.burn :
      endswith(name, "-${distinct([for query in alarm.metric_query : query.metric[0].period if length(query.metric) > 0])[0] / 60}m")
    ])
    error_message = "a window is not as long as its name says"
  }

  # every hour the books are compared
  assert {
    condition     = aws_cloudwatch_event_rule.reconcile["this"].schedule_expression == "rate(1 hour)" && aws_cloudwatch_metric_alarm.reconciliation["reconciliation-missed"].treat_missing_data == "breaching"
    error_message = "the reconciliation does not run every hour, or nobody hears when it stops"
  }
  assert {
    condition = { for said in jsondecode(data.aws_iam_policy_document.reconcile["task"].json).Statement : said.Sid => toset(flatten([said.Action])) } == {
      CountMessages = toset(["sqs:GetQueueAttributes", "sqs:GetQueueUrl"])
      ReadOutbox    = toset(["dynamodb:Query"])
      ReadTables    = toset(["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Scan"])
    }
    error_message = "the reconciliation may write"
  }
  assert {
    condition     = { for container in jsondecode(aws_ecs_task_definition.reconcile["this"].container_definitions) : join(" ", container.entryPoint) => container.command } == { workers = ["reconcile", "--json"] }
    error_message = "the image would run a service, not the command"
  }
  assert {
    condition = alltrue([
      for said in jsondecode(data.aws_iam_policy_document.reconcile["task"].json).Statement :
      toset(said.Resource) == toset(values(local.table_arns)) if said.Sid == "ReadTables"
    ])
    error_message = "the story of an order is in the tables of all its consumers"
  }

  # saved queries read the logs of all services
  assert {
    condition     = length(aws_cloudwatch_query_definition.this) == 5 && alltrue([for query in aws_cloudwatch_query_definition.this : length(query.log_group_names) == length(local.services)])
    error_message = "a query is missing, or does not read all logs"
  }

  # the composite alarm is for orders that make no progress
  assert {
    condition = alltrue([
      for name in concat(["dev-order-pipeline-api-errors", "dev-order-pipeline-outbox-old"], [for name in keys(local.consumers) : "dev-order-pipeline-${name}-stuck"]) :
      strcontains(aws_cloudwatch_composite_alarm.orders.alarm_rule, "ALARM(\"${name}\")")
    ])
    error_message = "an alarm is missing from the composite alarm"
  }
  assert {
    condition     = !strcontains(aws_cloudwatch_composite_alarm.orders.alarm_rule, "dead-letters")
    error_message = "the alarm for dead letters would keep the composite alarm on"
  }

  # each graph of queues and handlers has a line for every consumer
  assert {
    condition = alltrue(flatten([
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [
        for name in keys(local.consumers) : strcontains(jsonencode(widget.properties.metrics), name)
      ] if contains(["Messages in the queues", "Age of messages", "Settlements", "Dead letters", "Critical time", "Handler time, p95", "Slot wait, p95", "Receives per handled message", "Breakers", "Tasks"], widget.properties.title)
    ]))
    error_message = "a consumer is not on a graph"
  }
  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html
  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets) == 16 && alltrue([for graph in local.graphs : length(graph.metrics) <= 500])
    error_message = "a graph is missing, or has more metrics than CloudWatch draws"
  }
  assert {
    condition = length(distinct([
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : "${widget.x},${widget.y}"
    ])) == length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets)
    error_message = "two graphs overlap"
  }

  # alerts come from this account only, over TLS
  assert {
    condition     = [for said in jsondecode(data.aws_iam_policy_document.alerts.json).Statement : said.Principal if said.Effect == "Allow"] == [{ Service = "cloudwatch.amazonaws.com" }, { Service = "events.amazonaws.com" }]
    error_message = "other services may publish alerts"
  }
  assert {
    condition = { for said in jsondecode(data.aws_iam_policy_document.alerts.json).Statement : said.Sid => jsonencode(said.Condition) } == {
      AlarmsTell    = jsonencode({ StringEquals = { "aws:SourceAccount" = "123456789012" } })
      RuleTells     = jsonencode({ ArnEquals = { "aws:SourceArn" = "arn:aws:events:eu-west-1:123456789012:rule/dev-order-pipeline-deployment-failed" } })
      DenyPlaintext = jsonencode({ Bool = { "aws:SecureTransport" = "false" } })
    }
    error_message = "other accounts may publish alerts, or without TLS"
  }
  assert {
    condition     = keys(aws_sns_topic_subscription.alerts) == ["oncall@example.com"]
    error_message = "an address is not subscribed"
  }

  # mail is sent from a verified domain, over TLS
  assert {
    condition     = aws_sesv2_email_identity.this["this"].email_identity == "example.com" && aws_sesv2_configuration_set.this["this"].delivery_options[0].tls_policy == "REQUIRE"
    error_message = "not the sender's domain, or not over TLS"
  }
  assert {
    condition     = aws_sesv2_email_identity.this["this"].configuration_set_name == local.email_configuration_set && strcontains(module.service["notification"].task_policy, ":configuration-set/${local.email_configuration_set}\"")
    error_message = "notification may not use the configuration set of its mails"
  }

  # optional features that cost money are off by default
  assert {
    condition     = length(aws_cloudtrail.audit) + length(aws_s3_bucket.audit) + length(aws_budgets_budget.this) == 0
    error_message = "an optional feature is on by default"
  }
}

run "optional_features_can_be_turned_on" {
  command = plan

  variables {
    audit_queues         = true
    customer_managed_key = true
    monthly_budget       = 250
  }

  assert {
    condition = [
      for selector in aws_cloudtrail.audit["this"].advanced_event_selector[0].field_selector : toset(selector.starts_with) if selector.field == "resources.ARN"
    ] == [toset([for name in keys(local.consumers) : "arn:aws:sqs:eu-west-1:123456789012:dev-${name}-queue"])]
    error_message = "not the queues of this environment"
  }
  assert {
    condition = alltrue([
      for said in jsondecode(data.aws_iam_policy_document.audit.json).Statement :
      said.Effect == "Deny" ? true : said.Condition.StringEquals["aws:SourceArn"] == "arn:aws:cloudtrail:eu-west-1:123456789012:trail/dev-order-pipeline-audit"
    ])
    error_message = "another trail may write to the bucket"
  }
  assert {
    condition     = aws_budgets_budget.this["this"].limit_amount == "250" && one(one(aws_budgets_budget.this["this"].cost_filter).values) == "user:Environment$dev"
    error_message = "not the budget of this environment"
  }
  assert {
    condition     = strcontains(data.aws_iam_policy_document.alerts.json, "budgets.amazonaws.com")
    error_message = "the budget may not publish to the topic"
  }
  # the rule for failed deployments may use the customer managed key
  assert {
    condition = anytrue([
      for said in jsondecode(data.aws_iam_policy_document.messaging_key.json).Statement :
      try(said.Principal.Service == "events.amazonaws.com" && said.Condition.ArnEquals["aws:SourceArn"] == "arn:aws:events:eu-west-1:123456789012:rule/dev-order-pipeline-deployment-failed", false)
    ])
    error_message = "EventBridge could not publish to the encrypted topic"
  }

  # alarms may use the customer managed key
  assert {
    condition = anytrue([
      for said in jsondecode(data.aws_iam_policy_document.messaging_key.json).Statement :
      try(contains(said.Principal.Service, "cloudwatch.amazonaws.com") && said.Condition.StringEquals["aws:SourceAccount"] == "123456789012", false)
    ])
    error_message = "CloudWatch could not publish to the encrypted topic"
  }
}

run "a_service_that_may_sleep_misses_no_task" {
  command = plan

  variables {
    services = { analytics = { min = 0 } }
  }

  assert {
    condition     = { for name, alarm in aws_cloudwatch_metric_alarm.missing_tasks : name => alarm.treat_missing_data if name == "analytics" || name == "payment" } == { analytics = "notBreaching", payment = "breaching" }
    error_message = "a service that may have no task must not raise the alarm, and another must"
  }
}

run "the_reconciliation_can_be_turned_off" {
  command = plan

  variables {
    documents_url   = "https://example.com/docs"
    reconcile_hours = null
  }

  assert {
    condition     = length(aws_cloudwatch_event_rule.reconcile) + length(aws_iam_role.reconcile) + length(aws_ecs_task_definition.reconcile) + length(aws_cloudwatch_metric_alarm.reconciliation) == 0 && !strcontains(data.aws_iam_policy_document.dynamodb_endpoint.json, "Scan")
    error_message = "something is left of it"
  }
  assert {
    condition     = endswith(aws_cloudwatch_metric_alarm.stuck["payment"].alarm_description, "Runbook: https://example.com/docs/runbooks/stuck.md")
    error_message = "not a link to the documents"
  }
}

run "existing_resources_of_the_account_are_not_created_again" {
  command = plan

  variables {
    manage_email_identity = false
  }

  assert {
    condition     = length(aws_sesv2_email_identity.this) + length(aws_sesv2_configuration_set.this) == 0 && strcontains(module.service["notification"].task_policy, ":identity/example.com\"")
    error_message = "an account can have only one identity of a domain, and notification must still send mail"
  }
}

run "invalid_values_are_refused" {
  command = plan

  variables {
    alert_emails    = ["oncall"]
    documents_url   = "https://example.com/"
    monthly_budget  = 0
    reconcile_hours = 5
  }

  expect_failures = [var.alert_emails, var.documents_url, var.monthly_budget, var.reconcile_hours]
}
