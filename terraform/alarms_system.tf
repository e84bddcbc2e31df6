# The alarm of every service, and the alarms of relay, topic and API.

# --- each service ----------------------------------------------------------

resource "aws_cloudwatch_metric_alarm" "missing_tasks" {
  for_each = local.services

  alarm_name          = "${local.name}-${each.key}-missing-tasks"
  alarm_description   = "${each.key} has had fewer tasks than desired for 10 minutes. `aws ecs describe-services --cluster ${local.name} --services ${each.key}` shows its latest events. Owner: ${each.value.owner}."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 10 # longer than a deployment or a scaling step takes to start tasks
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
  alarm_description   = "An order was committed more than a minute ago and is not yet published, or ${local.relay} reports no data. Check that ${local.relay} runs and that SNS answers. Owner: ${local.services[local.relay].owner}."
  namespace           = local.metrics
  metric_name         = "OutboxAge"
  dimensions          = { Environment = var.environment, Service = local.relay }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 60 # s; the relay sweeps at least every 5 s
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "breaching"
  alarm_actions       = local.alarm_actions_of[local.relay]
  tags                = { Owner = local.services[local.relay].owner }
  ok_actions          = local.alarm_actions_of[local.relay]
}

resource "aws_cloudwatch_metric_alarm" "outbox_set_aside" {
  alarm_name          = "${local.name}-outbox-set-aside"
  alarm_description   = "SNS permanently refused an event of an order. `workers outbox list` shows the event and the reason, as does `outbox.set_aside` in the log of ${local.relay}. Run `workers outbox retry EVENT_ID --yes` to try again. Owner: ${local.services[local.relay].owner}."
  namespace           = local.metrics
  metric_name         = "OutboxSetAside"
  dimensions          = { Environment = var.environment, Service = local.relay }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions_of[local.relay]
  tags                = { Owner = local.services[local.relay].owner }
  ok_actions          = local.alarm_actions_of[local.relay]
}

resource "aws_cloudwatch_metric_alarm" "delivery_failed" {
  alarm_name          = "${local.name}-delivery-failed"
  alarm_description   = "${local.topic_name} could not deliver to a queue. The log group sns/.../Failure shows the queue and the reason."
  namespace           = "AWS/SNS"
  metric_name         = "NumberOfNotificationsFailed"
  dimensions          = { TopicName = aws_sns_topic.this.name }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "api_errors" {
  alarm_name          = "${local.name}-api-errors"
  alarm_description   = "More than 1 percent of requests have failed with 5xx for 5 minutes. The API's access log shows whether the integration failed or ${local.order_api} answered. Owner: ${local.services[local.order_api].owner}."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 1 # percent
  evaluation_periods  = 5
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
