# Alarms, their topic, the dashboard, and the switches for audit, budget and GitHub. Offline, as in
# queue.tftest.hcl.

provider "aws" {
  region                      = "eu-west-1"
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

override_resource {
  target          = aws_iam_openid_connect_provider.github["this"]
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
}

variables {
  environment      = "dev"
  image_tag        = "v1"
  sender_email     = "orders@example.com"
  operations_email = "operations@example.com"
}

run "every_service_is_watched" {
  command = plan

  variables {
    alert_emails = ["oncall@example.com"]
  }

  # There is an alarm of a kind for each that it concerns.
  assert {
    condition = alltrue([
      for alarms in [
        aws_cloudwatch_metric_alarm.dead_letters, aws_cloudwatch_metric_alarm.undelivered,
        aws_cloudwatch_metric_alarm.oldest, aws_cloudwatch_metric_alarm.stuck, aws_cloudwatch_metric_alarm.breaker_open,
      ] : toset(keys(alarms)) == toset([for name, each in jsondecode(file("../workers/topology.json")).services : name if length(each.consumes) > 0])
    ])
    error_message = "a consumer without one of its alarms"
  }
  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.missing_tasks)) == toset(keys(jsondecode(file("../workers/topology.json")).services))
    error_message = "a service whose tasks nobody counts"
  }

  # An alarm looks at what it is named after.
  assert {
    condition     = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.dead_letters : alarm.dimensions.QueueName == "dev-${name}-queue-dlq" && alarm.alarm_name == "dev-order-pipeline-${name}-dead-letters"])
    error_message = "the alarm for dead letters looks at another queue"
  }
  assert {
    condition     = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.undelivered : alarm.dimensions.QueueName == "dev-${name}-queue-undelivered"])
    error_message = "the alarm for what SNS could not deliver looks at another queue"
  }
  assert {
    condition     = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.oldest : alarm.dimensions.QueueName == "dev-${name}-queue" && alarm.threshold == 300])
    error_message = "late is ten times the acceptable 30 s, of the queue itself"
  }
  # The task writes its figures under these: otherwise the alarm would never have data.
  assert {
    condition = alltrue([
      for name, alarm in aws_cloudwatch_metric_alarm.breaker_open :
      alarm.dimensions == tomap({ Environment = local.environments[name].ENVIRONMENT, Service = module.service[name].container.command[0] })
    ])
    error_message = "the task writes its figures under other dimensions"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.outbox_age.dimensions == tomap({ Environment = local.environments["relay"].ENVIRONMENT, Service = "relay" })
    error_message = "the relay writes its figures under other dimensions"
  }

  # A fleet is stuck when messages wait and none is settled.
  assert {
    condition = {
      for query in aws_cloudwatch_metric_alarm.stuck["payment"].metric_query : query.id => query.metric[0].metric_name if length(query.metric) > 0
    } == { visible = "ApproximateNumberOfMessagesVisible", processed = "MessagesProcessed", failed = "MessagesFailed" }
    error_message = "not the figures that say so"
  }
  assert {
    condition     = [for query in aws_cloudwatch_metric_alarm.stuck["payment"].metric_query : query.expression if query.return_data] == ["IF(visible > 0 AND FILL(processed, 0) + FILL(failed, 0) < 1, 1, 0)"]
    error_message = "a dead fleet writes no figures: no data must count as nothing done"
  }

  # An outbox that nobody looks at is an alarm.
  assert {
    condition     = aws_cloudwatch_metric_alarm.outbox_age.treat_missing_data == "breaching"
    error_message = "without a relay there is no data, and no alarm"
  }

  # Every alarm tells somebody what to do.
  assert {
    condition = alltrue([
      for alarm in concat(local.alarms, [aws_cloudwatch_composite_alarm.orders]) :
      toset(alarm.alarm_actions) == toset([aws_sns_topic.alerts.arn]) && toset(alarm.ok_actions) == toset(alarm.alarm_actions) && length(alarm.alarm_description) > 40
    ])
    error_message = "an alarm that tells nobody, or not what to do"
  }
  assert {
    condition     = length(local.alarms) == 5 * length(local.consumers) + length(local.services) + 4 && length(distinct(local.alarms[*].alarm_name)) == length(local.alarms)
    error_message = "an alarm is not in the list, or two have one name"
  }

  # The one light is for orders that do not move.
  assert {
    condition = alltrue([
      for name in concat(["dev-order-pipeline-api-errors", "dev-order-pipeline-outbox-old"], [for name in keys(local.consumers) : "dev-order-pipeline-${name}-stuck"]) :
      strcontains(aws_cloudwatch_composite_alarm.orders.alarm_rule, "ALARM(\"${name}\")")
    ])
    error_message = "orders stand still, and the light is off"
  }
  assert {
    condition     = !strcontains(aws_cloudwatch_composite_alarm.orders.alarm_rule, "dead-letters")
    error_message = "dead letters stay until somebody looks: the light would stay on"
  }

  # The dashboard has a row for every consumer.
  assert {
    condition = alltrue([
      for name in keys(local.consumers) :
      length([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget if startswith(widget.properties.title, "${name}: ")]) == 3
    ])
    error_message = "a consumer that cannot be seen"
  }
  assert {
    condition = length(distinct([
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : "${widget.x},${widget.y}"
    ])) == length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets)
    error_message = "two graphs on one place"
  }

  # Alerts come from this account only and over tls.
  assert {
    condition     = [for said in jsondecode(data.aws_iam_policy_document.alerts.json).Statement : said.Principal if said.Effect == "Allow"] == [{ Service = "cloudwatch.amazonaws.com" }]
    error_message = "somebody else may alert"
  }
  assert {
    condition = alltrue([
      for said in jsondecode(data.aws_iam_policy_document.alerts.json).Statement :
      said.Effect == "Allow" ? said.Condition.StringEquals["aws:SourceAccount"] == "123456789012" : said.Condition.Bool["aws:SecureTransport"] == "false"
    ])
    error_message = "from another account, or in plain text"
  }
  assert {
    condition     = keys(aws_sns_topic_subscription.alerts) == ["oncall@example.com"]
    error_message = "nobody hears of it"
  }

  # Mail goes out from a verified domain over tls.
  assert {
    condition     = aws_sesv2_email_identity.this["this"].email_identity == "example.com" && aws_sesv2_configuration_set.this["this"].delivery_options[0].tls_policy == "REQUIRE"
    error_message = "not the sender's domain, or not over TLS"
  }
  assert {
    condition     = aws_sesv2_email_identity.this["this"].configuration_set_name == local.email_configuration_set && strcontains(module.service["notification"].task_policy, ":configuration-set/${local.email_configuration_set}\"")
    error_message = "notification may not use the configuration set that its mails go by"
  }

  # Nothing that costs is on unless asked for.
  assert {
    condition     = length(aws_cloudtrail.audit) + length(aws_s3_bucket.audit) + length(aws_budgets_budget.this) + length(aws_iam_role.github) + length(aws_iam_openid_connect_provider.github) == 0
    error_message = "a switch that is on by itself"
  }
}

run "switches_do_what_they_say" {
  command = plan

  variables {
    audit_queues         = true
    customer_managed_key = true
    github_repository    = "example/pipeline"
    monthly_budget       = 250
  }

  assert {
    condition = [
      for selector in aws_cloudtrail.audit["this"].advanced_event_selector[0].field_selector : toset(selector.starts_with) if selector.field == "resources.ARN"
    ] == [toset([for name in keys(local.consumers) : "arn:aws:sqs:eu-west-1:123456789012:dev-${name}-queue"])]
    error_message = "a queue that is not audited, or another's that is"
  }
  assert {
    condition = alltrue([
      for said in jsondecode(data.aws_iam_policy_document.audit.json).Statement :
      said.Effect == "Deny" ? true : said.Condition.StringEquals["aws:SourceArn"] == "arn:aws:cloudtrail:eu-west-1:123456789012:trail/dev-order-pipeline-audit"
    ])
    error_message = "another trail may write here"
  }
  assert {
    condition     = aws_budgets_budget.this["this"].limit_amount == "250" && one(one(aws_budgets_budget.this["this"].cost_filter).values) == "user:Environment$dev"
    error_message = "the budget is not of this environment"
  }
  assert {
    condition     = strcontains(data.aws_iam_policy_document.alerts.json, "budgets.amazonaws.com")
    error_message = "the topic does not let the budget in"
  }
  assert {
    condition = jsondecode(data.aws_iam_policy_document.github_assumes["this"].json).Statement[0].Condition.StringEquals == {
      "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
      "token.actions.githubusercontent.com:sub" = "repo:example/pipeline:environment:dev"
    }
    error_message = "other workflows may take the role"
  }
  assert {
    condition = toset(flatten([for said in jsondecode(data.aws_iam_policy_document.github.json).Statement : [
      for action in flatten([said.Action]) : action if said.Resource == "*"
    ]])) == toset(["ecr:GetAuthorizationToken"])
    error_message = "the role for workflows has a right without a resource"
  }

  # The first environment of an account makes the identity provider.
  assert {
    condition     = jsondecode(data.aws_iam_policy_document.github_assumes["this"].json).Statement[0].Principal.Federated == aws_iam_openid_connect_provider.github["this"].arn
    error_message = "nobody makes GitHub's identity provider"
  }

  # With a key of the account alarms may use it.
  assert {
    condition = anytrue([
      for said in jsondecode(data.aws_iam_policy_document.messaging_key.json).Statement :
      try(contains(said.Principal.Service, "cloudwatch.amazonaws.com") && said.Condition.StringEquals["aws:SourceAccount"] == "123456789012", false)
    ])
    error_message = "CloudWatch could not publish to the encrypted topic, and nobody would hear of anything"
  }
}

run "what_the_account_has_already_is_not_made_again" {
  command = plan

  variables {
    github_oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    github_repository        = "example/pipeline"
    manage_email_identity    = false
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && aws_iam_role.github["this"].name == "dev-order-pipeline-github"
    error_message = "an account can have one provider of GitHub's identities"
  }
  assert {
    condition     = length(aws_sesv2_email_identity.this) + length(aws_sesv2_configuration_set.this) == 0 && strcontains(module.service["notification"].task_policy, ":identity/example.com\"")
    error_message = "an account can have one identity of a domain, and mail has to leave all the same"
  }
}

run "bad_values_are_refused" {
  command = plan

  variables {
    alert_emails             = ["oncall"]
    github_oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/example.com"
    github_repository        = "example/*"
    monthly_budget           = 0
  }

  expect_failures = [var.alert_emails, var.github_oidc_provider_arn, var.github_repository, var.monthly_budget]
}
