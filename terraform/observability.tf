# Who is told when something is wrong, and where to look: the alert topic, one light for the whole,
# and the dashboard. The alarms are in alarms.tf.

locals {
  alert_topic_name = "${local.name}-alerts"
  # By name, as the ARNs of locals.tf.
  alert_topic_arn = "arn:${local.partition}:sns:${var.region}:${local.account_id}:${local.alert_topic_name}"
}

resource "aws_sns_topic" "alerts" {
  #checkov:skip=CKV_AWS_26:without a key of this account CloudWatch could not publish: SNS's own key does not let it. Alerts hold names and numbers
  name              = local.alert_topic_name
  kms_master_key_id = var.customer_managed_key ? aws_kms_key.messaging["this"].arn : null
}

resource "aws_sns_topic_policy" "alerts" {
  arn    = aws_sns_topic.alerts.arn
  policy = data.aws_iam_policy_document.alerts.json
}

data "aws_iam_policy_document" "alerts" {
  statement {
    sid       = "AlarmsTell"
    actions   = ["sns:Publish"]
    resources = [local.alert_topic_arn]

    principals {
      type        = "Service"
      identifiers = concat(["cloudwatch.amazonaws.com"], var.monthly_budget == null ? [] : ["budgets.amazonaws.com"])
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }

  statement {
    sid       = "DenyPlaintext"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [local.alert_topic_arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

# Each address has to confirm, by the link in the mail it gets.
resource "aws_sns_topic_subscription" "alerts" {
  for_each = toset(var.alert_emails)

  topic_arn = aws_sns_topic.alerts.arn
  protocol  = "email"
  endpoint  = each.value
}

# --- one light ----------------------------------------------------------------

# Orders do not move. Dead letters and breakers are not in it: they stay until somebody has looked,
# and a deployment that waits for this light must not wait for that.
resource "aws_cloudwatch_composite_alarm" "orders" {
  alarm_name        = "${local.name}-orders-do-not-move"
  alarm_description = "Customers cannot order, or orders are not followed up. The alarms below it say where."
  alarm_actions     = [aws_sns_topic.alerts.arn]
  ok_actions        = [aws_sns_topic.alerts.arn]
  alarm_rule        = join(" OR ", [for alarm in local.orders_stand_still : "ALARM(\"${alarm.alarm_name}\")"])

  lifecycle {
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
    precondition {
      condition     = length(local.orders_stand_still) <= 100
      error_message = "alarms: a composite alarm takes 100 others; this map has ${length(local.orders_stand_still)} for it."
    }
  }
}

locals {
  orders_stand_still = concat(
    [aws_cloudwatch_metric_alarm.api_errors, aws_cloudwatch_metric_alarm.outbox_age],
    values(aws_cloudwatch_metric_alarm.stuck),
    values(aws_cloudwatch_metric_alarm.missing_tasks),
  )
}

# --- the dashboard ------------------------------------------------------------

locals {
  consumer_names = sort(keys(local.consumers))
  alarm_arn      = "arn:${local.partition}:cloudwatch:${var.region}:${local.account_id}:alarm"

  # A row of three graphs for each consumer: what waits, what becomes of it, who works on it.
  consumer_graphs = { for name in local.consumer_names : name => [
    {
      title = "${name}: messages"
      metrics = [
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", module.queue[name].name, { label = "waiting" }],
        ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", module.queue[name].name, { label = "in flight" }],
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", module.queue[name].dlq_name, { label = "dead" }],
        ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", module.queue[name].name, { label = "oldest (s)", stat = "Maximum", yAxis = "right" }],
      ]
    },
    {
      title = "${name}: a minute's work"
      metrics = [
        for figure in ["MessagesProcessed", "MessagesFailed", "DeadLettered"] :
        [local.metrics, figure, "Environment", var.environment, "Service", name, { stat = "Sum" }]
      ]
    },
    {
      title = "${name}: tasks"
      metrics = concat(
        [for count in ["DesiredTaskCount", "RunningTaskCount"] : ["ECS/ContainerInsights", count, "ClusterName", aws_ecs_cluster.this.name, "ServiceName", name, {}]],
        [["AWS/ECS", "CPUUtilization", "ClusterName", aws_ecs_cluster.this.name, "ServiceName", name, { yAxis = "right" }]],
      )
    },
  ] }

  # The first row: the way in, and the way out of order-api.
  entry_graphs = [
    {
      title = "API: requests"
      metrics = [
        for figure in ["Count", "4xx", "5xx"] :
        ["AWS/ApiGateway", figure, "ApiId", aws_apigatewayv2_api.orders.id, { stat = "Sum" }]
      ]
    },
    {
      title   = "API: time to answer (ms)"
      metrics = [for stat in ["p50", "p99"] : ["AWS/ApiGateway", "Latency", "ApiId", aws_apigatewayv2_api.orders.id, { label = stat, stat = stat }]]
    },
    {
      title = "outbox and topic"
      metrics = [
        [local.metrics, "OutboxAge", "Environment", var.environment, "Service", local.relay, { stat = "Maximum" }],
        ["AWS/SNS", "NumberOfMessagesPublished", "TopicName", local.topic_name, { stat = "Sum", yAxis = "right" }],
        ["AWS/SNS", "NumberOfNotificationsFailed", "TopicName", local.topic_name, { stat = "Sum", yAxis = "right" }],
      ]
    },
  ]

  graph_rows = concat([local.entry_graphs], [for name in local.consumer_names : local.consumer_graphs[name]])
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = local.name

  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type       = "alarm", x = 0, y = 0, width = 24, height = 4
        properties = { title = "Alarms", alarms = [for alarm in concat([aws_cloudwatch_composite_alarm.orders], local.alarms) : "${local.alarm_arn}:${alarm.alarm_name}"] }
      }],
      flatten([for row, graphs in local.graph_rows : [
        for column, graph in graphs : {
          type       = "metric", x = 8 * column, y = 4 + 6 * row, width = 8, height = 6
          properties = merge(graph, { period = 60, region = var.region, stat = "Average", view = "timeSeries" })
        }
      ]]),
    )
  })
}
