# The alarm of every service, and the alarms of relay, topic and API.

# --- each service ----------------------------------------------------------

resource "aws_cloudwatch_metric_alarm" "missing_tasks" {
  for_each = local.services

  alarm_name          = "${local.name}-${each.key}-missing-tasks"
  alarm_description   = local.alarm_texts["missing-tasks"][each.key]
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.alarm_list["missing-tasks"].threshold
  evaluation_periods  = local.alarm_list["missing-tasks"].minutes # longer than a deployment or a scaling step takes to start tasks
  # Without any task there is no data, which is right only for a service that may scale to 0.
  treat_missing_data = contains(local.may_sleep, each.key) ? "notBreaching" : "breaching"
  alarm_actions      = local.alarm_actions_of[each.key]
  ok_actions         = local.alarm_actions_of[each.key]
  tags               = { Owner = each.value.owner }

  metric_query {
    id          = "missing"
    label       = "Desired tasks that do not run"
    expression  = "desired - FILL(running, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { desired = "DesiredTaskCount", running = "RunningTaskCount" }

    content {
      id = metric_query.key

      metric {
        namespace   = "ECS/ContainerInsights"
        metric_name = metric_query.value
        dimensions  = { ClusterName = aws_ecs_cluster.this.name, ServiceName = module.service[each.key].service_name }
        period      = 60
        stat        = "Average"
      }
    }
  }
}

# --- relay, topic, API ----------------------------------------------------

resource "aws_cloudwatch_metric_alarm" "outbox_age" {
  alarm_name          = "${local.name}-outbox-old"
  alarm_description   = local.alarm_texts["outbox-old"][local.relay]
  namespace           = local.metrics
  metric_name         = "OutboxAge"
  dimensions          = { Environment = var.environment, Service = local.relay }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.alarm_list["outbox-old"].threshold # s; the relay sweeps at least every 5 s
  period              = 60
  evaluation_periods  = local.alarm_list["outbox-old"].minutes
  treat_missing_data  = "breaching"
  alarm_actions       = local.alarm_actions_of[local.relay]
  tags                = { Owner = local.services[local.relay].owner }
  ok_actions          = local.alarm_actions_of[local.relay]
}

resource "aws_cloudwatch_metric_alarm" "outbox_set_aside" {
  alarm_name          = "${local.name}-outbox-set-aside"
  alarm_description   = local.alarm_texts["outbox-set-aside"][local.relay]
  namespace           = local.metrics
  metric_name         = "OutboxSetAside"
  dimensions          = { Environment = var.environment, Service = local.relay }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.alarm_list["outbox-set-aside"].threshold
  period              = 60
  evaluation_periods  = local.alarm_list["outbox-set-aside"].minutes
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions_of[local.relay]
  tags                = { Owner = local.services[local.relay].owner }
  ok_actions          = local.alarm_actions_of[local.relay]
}

resource "aws_cloudwatch_metric_alarm" "delivery_failed" {
  alarm_name          = "${local.name}-delivery-failed"
  alarm_description   = local.alarm_texts["delivery-failed"][local.relay]
  namespace           = "AWS/SNS"
  metric_name         = "NumberOfNotificationsFailed"
  dimensions          = { TopicName = aws_sns_topic.this.name }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.alarm_list["delivery-failed"].threshold
  period              = 60
  evaluation_periods  = local.alarm_list["delivery-failed"].minutes
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions_of[local.relay]
  tags                = { Owner = local.services[local.relay].owner }
  ok_actions          = local.alarm_actions_of[local.relay]
}

resource "aws_cloudwatch_metric_alarm" "api_errors" {
  alarm_name          = "${local.name}-api-errors"
  alarm_description   = local.alarm_texts["api-errors"][local.order_api]
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.alarm_list["api-errors"].threshold # percent
  evaluation_periods  = local.alarm_list["api-errors"].minutes
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions_of[local.order_api]
  tags                = { Owner = local.services[local.order_api].owner }
  ok_actions          = local.alarm_actions_of[local.order_api]

  metric_query {
    id          = "share"
    label       = "Requests answered with 5xx (percent)"
    expression  = "IF(requests > 0, 100 * FILL(errors, 0) / requests, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { errors = "5xx", requests = "Count" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApiGateway"
        metric_name = metric_query.value
        dimensions  = { ApiId = aws_apigatewayv2_api.orders.id }
        period      = 60
        stat        = "Sum"
      }
    }
  }
}

# --- error budget of accepting orders ------------------------------------------------

# Of 1,000 requests one may fail. An alarm fires if the share of failures is too high over a long and a
# short window: the long one says that it matters, the short one that it still goes on.
# https://sre.google/workbook/alerting-on-slos/
# API Gateway counts, not order-api: a request that no task answers reaches no task.
locals {
  burns = { for name in ["order-burn-fast", "order-burn-slow"] : name => local.alarm_list[name] }
  burn_windows = merge([
    for name, alarm in local.burns : { for minutes in alarm.windows : "${name}-${minutes}m" => { alarm = alarm, minutes = minutes } }
  ]...)
}

resource "aws_cloudwatch_metric_alarm" "burn" {
  for_each = local.burn_windows

  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = "The share of requests answered with 5xx over ${each.value.minutes} minutes. Part of the alarm without the minutes in its name, which notifies."
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.alarm.threshold
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  tags                = { Owner = local.services[local.order_api].owner }

  metric_query {
    id          = "share"
    label       = "Requests answered with 5xx (percent)"
    expression  = "IF(requests > 0, 100 * FILL(errors, 0) / requests, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { errors = "5xx", requests = "Count" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApiGateway"
        metric_name = metric_query.value
        dimensions  = { ApiId = aws_apigatewayv2_api.orders.id }
        period      = 60 * each.value.minutes
        stat        = "Sum"
      }
    }
  }
}

resource "aws_cloudwatch_composite_alarm" "burn" {
  for_each = local.burns

  alarm_name        = "${local.name}-${each.key}"
  alarm_description = local.alarm_texts[each.key][local.order_api]
  alarm_actions     = local.alarm_actions_of[local.order_api]
  ok_actions        = local.alarm_actions_of[local.order_api]
  tags              = { Owner = local.services[local.order_api].owner }
  alarm_rule = join(" AND ", [
    for minutes in each.value.windows : "ALARM(\"${aws_cloudwatch_metric_alarm.burn["${each.key}-${minutes}m"].alarm_name}\")"
  ])
}
