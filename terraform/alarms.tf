# The alarms of each consumer, and the list of all alarms. The others are in alarms_system.tf. Each
# description says what to do.

locals {
  # The namespace of the metrics that workers write: METRICS_NAMESPACE in workers/bootstrap.py.
  metrics = "OrderPipeline"

  # The owner of a service has a topic too: owners.tf.
  alarm_actions    = [aws_sns_topic.alerts.arn]
  alarm_actions_of = { for name, service in local.services : name => concat(local.alarm_actions, [local.owner_topic_arns[service.owner]]) }
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

# A dead-lettered message has left its queue, so the age alarm does not see it.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  for_each = local.consumers

  alarm_name          = "${local.name}-${each.key}-dead-letters"
  alarm_description   = "${each.key} has dead-lettered messages. Run `workers dlq list ${each.key}` to see why, fix the cause, then run `workers dlq redrive ${each.key} --yes`. Owner: ${each.value.owner}."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = module.queue[each.key].dlq_name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
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
  alarm_description   = "SNS could not deliver events to ${each.key} and moved them to ${module.queue[each.key].undelivered_name}. Check the queue's policy and key, then redrive them (see terraform/README.md). Owner: ${each.value.owner}."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = module.queue[each.key].undelivered_name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions_of[each.key]
  tags                = { Owner = each.value.owner }
  ok_actions          = local.alarm_actions_of[each.key]
}

# Scaling aims at the acceptable latency. At ten times that, scaling has no effect.
resource "aws_cloudwatch_metric_alarm" "oldest" {
  for_each = local.consumers

  alarm_name          = "${local.name}-${each.key}-late"
  alarm_description   = "The oldest message of ${each.key} has waited ten times the acceptable latency. Check whether the service is at its maximum of tasks, and whether a dependency is slow. Owner: ${each.value.owner}."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = module.queue[each.key].name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 10 * local.capacity[each.key].acceptable_latency
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions_of[each.key]
  tags                = { Owner = each.value.owner }
  ok_actions          = local.alarm_actions_of[each.key]
}

# Possible causes: no task runs, a task hangs, or a permission is missing.
resource "aws_cloudwatch_metric_alarm" "stuck" {
  for_each = local.consumers

  alarm_name          = "${local.name}-${each.key}-stuck"
  alarm_description   = "Messages are waiting for ${each.key}, and it has settled none for 10 minutes. Check its tasks and their logs. Owner: ${each.value.owner}."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 10 # a service that has scaled to 0 needs a few minutes to start
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions_of[each.key]
  tags                = { Owner = each.value.owner }
  ok_actions          = local.alarm_actions_of[each.key]

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
  alarm_description   = "${each.key} has received nothing for 5 minutes because a dependency does not answer. `breaker.opened` in its log names the dependency. Owner: ${each.value.owner}."
  namespace           = local.metrics
  metric_name         = "BreakerOpen"
  dimensions          = { Environment = var.environment, Service = each.key }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions_of[each.key]
  tags                = { Owner = each.value.owner }
  ok_actions          = local.alarm_actions_of[each.key]
}
