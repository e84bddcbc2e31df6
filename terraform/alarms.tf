# The alarms, one of a kind for each service that it concerns. Descriptions say what to do.

locals {
  # Of the lines that each worker writes once a minute: NAMESPACE in workers/runtime/emf.py.
  metrics = "OrderPipeline"

  alarm_actions = [aws_sns_topic.alerts.arn]
  alarms = concat(
    values(aws_cloudwatch_metric_alarm.dead_letters),
    values(aws_cloudwatch_metric_alarm.undelivered),
    values(aws_cloudwatch_metric_alarm.oldest),
    values(aws_cloudwatch_metric_alarm.stuck),
    values(aws_cloudwatch_metric_alarm.breaker_open),
    values(aws_cloudwatch_metric_alarm.missing_tasks),
    [
      aws_cloudwatch_metric_alarm.outbox_age,
      aws_cloudwatch_metric_alarm.outbox_set_aside,
      aws_cloudwatch_metric_alarm.delivery_failed,
      aws_cloudwatch_metric_alarm.api_errors,
    ],
  )
}

# --- of each consumer ---------------------------------------------------------

# The age alarm does not see a message that failed three times; this one does.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  for_each = local.consumers

  alarm_name          = "${local.name}-${each.key}-dead-letters"
  alarm_description   = "${each.key} gave messages up. `workers dlq list ${each.key}` says why; mend that, then `workers dlq redrive ${each.key}`."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = module.queue[each.key].dlq_name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching" # an empty queue that nobody asks reports nothing
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "undelivered" {
  for_each = local.consumers

  alarm_name          = "${local.name}-${each.key}-undelivered"
  alarm_description   = "SNS could not deliver events to ${each.key}, and keeps them in ${module.queue[each.key].undelivered_name}. Look at the queue's policy and key; then publish them again."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = module.queue[each.key].undelivered_name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
}

# Scaling aims at the acceptable latency; ten times that says that it has no effect.
resource "aws_cloudwatch_metric_alarm" "oldest" {
  for_each = local.consumers

  alarm_name          = "${local.name}-${each.key}-late"
  alarm_description   = "The oldest message of ${each.key} waits ten times as long as is acceptable. At its maximum of tasks? Is what it depends on slow?"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = module.queue[each.key].name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 10 * local.capacity[each.key].acceptable_latency
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
}

# Messages wait and none is settled: no task, a task that hangs, or a right that is missing.
resource "aws_cloudwatch_metric_alarm" "stuck" {
  for_each = local.consumers

  alarm_name          = "${local.name}-${each.key}-stuck"
  alarm_description   = "Messages wait for ${each.key}, and for 10 minutes it has settled none. Look at its tasks and their log."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 10 # a service that scales to nothing needs some of them to start
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions

  metric_query {
    id          = "stuck"
    label       = "1 while messages wait and none is settled"
    expression  = "IF(visible > 0 AND FILL(processed, 0) + FILL(failed, 0) < 1, 1, 0)"
    return_data = true
  }

  metric_query {
    id = "visible"

    metric {
      namespace   = "AWS/SQS"
      metric_name = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = module.queue[each.key].name }
      period      = 60
      stat        = "Minimum"
    }
  }

  dynamic "metric_query" {
    for_each = { processed = "MessagesProcessed", failed = "MessagesFailed" }

    content {
      id = metric_query.key

      metric {
        namespace   = local.metrics
        metric_name = metric_query.value
        dimensions  = { Environment = var.environment, Service = each.key }
        period      = 60
        stat        = "Sum"
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "breaker_open" {
  for_each = local.consumers

  alarm_name          = "${local.name}-${each.key}-breaker-open"
  alarm_description   = "${each.key} has received nothing for 5 minutes: something that it depends on does not answer. `breaker.opened` in its log says what."
  namespace           = local.metrics
  metric_name         = "BreakerOpen"
  dimensions          = { Environment = var.environment, Service = each.key }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
}

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
  alarm_description   = "SNS refused an event of an order for good. `outbox.set_aside` in the log of ${local.relay} says which and why."
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
