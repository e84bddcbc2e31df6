# The alarms of each consumer, and the list of all alarms. The others are in alarms_system.tf. Texts
# and thresholds come from workers/alarms.json, as do the alert rules of Prometheus.

locals {
  # The namespace of the metrics that workers write: METRICS_NAMESPACE in workers/bootstrap.py.
  metrics = "OrderPipeline"

  alarm_list = jsondecode(file("${path.module}/../workers/alarms.json")).alarms

  # By alarm and service: what it means, what to do, whose it is, and where the runbook is.
  alarm_texts = {
    for name, alarm in local.alarm_list : name => {
      for service, each in local.services :
      service => "${replace("${alarm.means} ${alarm.do}", "$service", service)} Owner: ${each.owner}. Runbook: ${var.documents_url}/runbooks/${name}.md"
    }
  }

  # The owner of a service has a topic too: owners.tf.
  alarm_actions    = [aws_sns_topic.alerts.arn]
  alarm_actions_of = { for name, service in local.services : name => concat(local.alarm_actions, [local.owner_topic_arns[service.owner]]) }
  alarms = concat(
    values(aws_cloudwatch_metric_alarm.dead_letters),
    values(aws_cloudwatch_metric_alarm.undelivered),
    values(aws_cloudwatch_metric_alarm.oldest),
    values(aws_cloudwatch_metric_alarm.stuck),
    values(aws_cloudwatch_metric_alarm.breaker_open),
    values(aws_cloudwatch_metric_alarm.in_flight),
    values(aws_cloudwatch_metric_alarm.frozen),
    values(aws_cloudwatch_metric_alarm.missing_tasks),
    values(aws_cloudwatch_composite_alarm.burn),
    values(aws_cloudwatch_metric_alarm.reconciliation),
    values(aws_cloudwatch_metric_alarm.archive),
    values(aws_cloudwatch_metric_alarm.archive_failed),
    [
      aws_cloudwatch_metric_alarm.outbox_age,
      aws_cloudwatch_metric_alarm.outbox_set_aside,
      aws_cloudwatch_metric_alarm.delivery_failed,
      aws_cloudwatch_metric_alarm.api_errors,
    ],
  )
}

# A dead-lettered message has left its queue, so the age alarm does not see it.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  for_each = local.consumers

  alarm_name          = "${local.name}-${each.key}-dead-letters"
  alarm_description   = local.alarm_texts["dead-letters"][each.key]
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = module.queue[each.key].dlq_name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.alarm_list["dead-letters"].threshold
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching" # an idle queue reports no data
  alarm_actions       = local.alarm_actions_of[each.key]
  tags                = { Owner = each.value.owner }
  ok_actions          = local.alarm_actions_of[each.key]
}

resource "aws_cloudwatch_metric_alarm" "undelivered" {
  for_each = local.consumers

  alarm_name          = "${local.name}-${each.key}-undelivered"
  alarm_description   = local.alarm_texts["undelivered"][each.key]
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = module.queue[each.key].undelivered_name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.alarm_list["undelivered"].threshold
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions_of[each.key]
  tags                = { Owner = each.value.owner }
  ok_actions          = local.alarm_actions_of[each.key]
}

# Scaling aims at the acceptable latency. At ten times that, scaling has no effect. In the list is the
# threshold for the default latency.
resource "aws_cloudwatch_metric_alarm" "oldest" {
  for_each = local.consumers

  alarm_name          = "${local.name}-${each.key}-late"
  alarm_description   = local.alarm_texts["late"][each.key]
  comparison_operator = "GreaterThanThreshold"
  threshold           = 10 * local.capacity[each.key].acceptable_latency
  evaluation_periods  = local.alarm_list["late"].minutes
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions_of[each.key]
  tags                = { Owner = each.value.owner }
  ok_actions          = local.alarm_actions_of[each.key]

  metric_query {
    id          = "late"
    label       = "Age of the oldest message (s), 0 while the service is paused"
    expression  = "IF(FILL(paused, 0) > 0, 0, age)"
    return_data = true
  }

  metric_query {
    id = "age"

    metric {
      namespace   = "AWS/SQS"
      metric_name = "ApproximateAgeOfOldestMessage"
      dimensions  = { QueueName = module.queue[each.key].name }
      period      = 60
      stat        = "Maximum"
    }
  }

  metric_query {
    id = "paused"

    metric {
      namespace   = local.metrics
      metric_name = "Paused"
      dimensions  = { Environment = var.environment, Service = each.key }
      period      = 60
      stat        = "Maximum"
    }
  }
}

# Possible causes: no task runs, a task hangs, or a permission is missing.
resource "aws_cloudwatch_metric_alarm" "stuck" {
  for_each = local.consumers

  alarm_name          = "${local.name}-${each.key}-stuck"
  alarm_description   = local.alarm_texts["stuck"][each.key]
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.alarm_list["stuck"].threshold
  evaluation_periods  = local.alarm_list["stuck"].minutes # a service that has scaled to 0 needs a few to start
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions_of[each.key]
  tags                = { Owner = each.value.owner }
  ok_actions          = local.alarm_actions_of[each.key]

  metric_query {
    id          = "stuck"
    label       = "1 while messages wait and none is settled, unless the service is paused"
    expression  = "IF(visible > 0 AND FILL(processed, 0) + FILL(failed, 0) < 1 AND FILL(paused, 0) < 1, 1, 0)"
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
    for_each = {
      processed = { name = "MessagesProcessed", stat = "Sum" }
      failed    = { name = "MessagesFailed", stat = "Sum" }
      paused    = { name = "Paused", stat = "Maximum" }
    }

    content {
      id = metric_query.key

      metric {
        namespace   = local.metrics
        metric_name = metric_query.value.name
        dimensions  = { Environment = var.environment, Service = each.key }
        period      = 60
        stat        = metric_query.value.stat
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "breaker_open" {
  for_each = local.consumers

  alarm_name          = "${local.name}-${each.key}-breaker-open"
  alarm_description   = local.alarm_texts["breaker-open"][each.key]
  namespace           = local.metrics
  metric_name         = "BreakerOpen"
  dimensions          = { Environment = var.environment, Service = each.key }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.alarm_list["breaker-open"].threshold
  period              = 60
  evaluation_periods  = local.alarm_list["breaker-open"].minutes
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions_of[each.key]
  tags                = { Owner = each.value.owner }
  ok_actions          = local.alarm_actions_of[each.key]
}

# At the quota, SQS answers receives with OverLimit.
resource "aws_cloudwatch_metric_alarm" "in_flight" {
  for_each = local.consumers

  alarm_name          = "${local.name}-${each.key}-in-flight"
  alarm_description   = local.alarm_texts["in-flight"][each.key]
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesNotVisible"
  dimensions          = { QueueName = module.queue[each.key].name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.alarm_list["in-flight"].threshold
  period              = 60
  evaluation_periods  = local.alarm_list["in-flight"].minutes
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions_of[each.key]
  tags                = { Owner = each.value.owner }
  ok_actions          = local.alarm_actions_of[each.key]
}

# Every process writes a line of metrics once a minute, so five in a period. A minute alone may have
# none or two, because the processes do not start on the minute.
resource "aws_cloudwatch_metric_alarm" "frozen" {
  for_each = local.consumers

  alarm_name          = "${local.name}-${each.key}-frozen"
  alarm_description   = local.alarm_texts["frozen"][each.key]
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.alarm_list["frozen"].threshold
  evaluation_periods  = local.alarm_list["frozen"].minutes / 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions_of[each.key]
  tags                = { Owner = each.value.owner }
  ok_actions          = local.alarm_actions_of[each.key]

  metric_query {
    id          = "silent"
    label       = "Running tasks that write no metrics"
    expression  = "FLOOR(running) - CEIL(FILL(lines, 0) / 5)"
    return_data = true
  }

  metric_query {
    id = "running"

    metric {
      namespace   = "ECS/ContainerInsights"
      metric_name = "RunningTaskCount"
      dimensions  = { ClusterName = aws_ecs_cluster.this.name, ServiceName = module.service[each.key].service_name }
      period      = 300
      stat        = "Average"
    }
  }

  metric_query {
    id = "lines"

    metric {
      namespace   = local.metrics
      metric_name = "BreakerOpen"
      dimensions  = { Environment = var.environment, Service = each.key }
      period      = 300
      stat        = "SampleCount"
    }
  }
}
