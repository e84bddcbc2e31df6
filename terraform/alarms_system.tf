# The alarms of what every service has, and of what is there once: relay, topic, API.

# --- of each service ----------------------------------------------------------

resource "aws_cloudwatch_metric_alarm" "missing_tasks" {
  for_each = local.services

  alarm_name          = "${local.name}-${each.key}-missing-tasks"
  alarm_description   = "Fewer tasks of ${each.key} run than are wanted, for 10 minutes. `aws ecs describe-services --cluster ${local.name} --services ${each.key}` shows the last events."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 10 # longer than a deployment or a step of scaling takes to start tasks
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions

  metric_query {
    id          = "missing"
    label       = "Tasks that are wanted and do not run"
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

# --- of what is there once ----------------------------------------------------

resource "aws_cloudwatch_metric_alarm" "outbox_age" {
  alarm_name          = "${local.name}-outbox-old"
  alarm_description   = "An order was committed more than a minute ago and is not published yet, or nobody looks. Does ${local.relay} run? Does SNS answer?"
  namespace           = local.metrics
  metric_name         = "OutboxAge"
  dimensions          = { Environment = var.environment, Service = local.relay }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 60 # s; the relay looks every 5 s at the latest
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "breaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "outbox_set_aside" {
  alarm_name          = "${local.name}-outbox-set-aside"
  alarm_description   = "SNS refused an event of an order for good. `outbox.set_aside` in the log of ${local.relay} says which and why; `workers outbox list` too, and `workers outbox retry` tries again."
  namespace           = local.metrics
  metric_name         = "OutboxSetAside"
  dimensions          = { Environment = var.environment, Service = local.relay }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "delivery_failed" {
  alarm_name          = "${local.name}-delivery-failed"
  alarm_description   = "${local.topic_name} could not deliver to a queue. The log group of failures, sns/.../Failure, says to which and why."
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
  alarm_description   = "More than one request in a hundred was answered with 5xx, for 5 minutes. The API's access log tells an integration that fails from an answer of ${local.order_api}."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 1 # percent
  evaluation_periods  = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions

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
