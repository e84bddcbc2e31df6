# The dashboard: the alarms, and the same graphs as docker/grafana, with a line for each consumer of the
# map. tests/contract/test_dashboard.py compares their titles.

locals {
  consumer_names = sort(keys(local.consumers))
  service_names  = sort(keys(local.services))
  alarm_arn      = "arn:${local.partition}:cloudwatch:${var.region}:${local.account_id}:alarm"

  # A line for each consumer of a metric that its tasks write, by name of the metric.
  written = {
    for metric in ["MessagesProcessed", "MessagesFailed", "DeadLettered", "BreakerOpen", "ProcessingDuration", "CriticalTime", "QueueAge", "SlotWait"] :
    metric => { for name in local.consumer_names : name => [local.metrics, metric, "Environment", var.environment, "Service", name] }
  }
  requests = { for metric in ["Count", "4xx", "5xx", "Latency"] : metric => ["AWS/ApiGateway", metric, "ApiId", aws_apigatewayv2_api.orders.id] }

  graphs = [
    {
      title = "Messages in the queues"
      metrics = flatten([for name in local.consumer_names : [for state, metric in { waiting = "Visible", "in flight" = "NotVisible" } : {
        line = ["AWS/SQS", "ApproximateNumberOfMessages${metric}", "QueueName", module.queue[name].name, { label = "${name} ${state}" }]
      }]])[*].line
    },
    {
      title = "Age of messages"
      metrics = concat(
        [for name in local.consumer_names : ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", module.queue[name].name, { label = "${name} oldest", stat = "Maximum" }]],
        [for name in local.consumer_names : concat(local.written["QueueAge"][name], [{ label = "${name} p95 when received", stat = "p95" }])],
      )
    },
    {
      title = "Settlements"
      metrics = flatten([for name in local.consumer_names : [for metric in ["MessagesProcessed", "MessagesFailed", "DeadLettered"] : {
        line = concat(local.written[metric][name], [{ label = "${name} ${metric}", stat = "Sum" }])
      }]])[*].line
    },
    {
      title   = "Dead letters"
      metrics = [for name in local.consumer_names : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", module.queue[name].dlq_name, { label = name, stat = "Maximum" }]]
    },
    {
      title = "Critical time"
      metrics = flatten([for name in local.consumer_names : [for stat in ["p50", "p95", "p99"] : {
        line = concat(local.written["CriticalTime"][name], [{ label = "${name} ${stat}", stat = stat }])
      }]])[*].line
    },
    {
      title   = "Handler time, p95"
      metrics = [for name in local.consumer_names : concat(local.written["ProcessingDuration"][name], [{ label = name, stat = "p95" }])]
    },
    {
      title   = "Slot wait, p95"
      metrics = [for name in local.consumer_names : concat(local.written["SlotWait"][name], [{ label = name, stat = "p95" }])]
    },
    {
      # 1 if every message is handled at its first receive
      title = "Receives per handled message"
      metrics = concat(
        [for number, name in local.consumer_names : [{ expression = "IF(h${number} > 0, (h${number} + f${number}) / h${number})", label = name, id = "r${number}" }]],
        [for number, name in local.consumer_names : concat(local.written["MessagesProcessed"][name], [{ id = "h${number}", stat = "Sum", visible = false }])],
        [for number, name in local.consumer_names : concat(local.written["MessagesFailed"][name], [{ id = "f${number}", stat = "Sum", visible = false }])],
      )
    },
    {
      title   = "Outbox"
      metrics = [for metric in ["OutboxAge", "OutboxSetAside"] : [local.metrics, metric, "Environment", var.environment, "Service", local.relay, { stat = "Maximum" }]]
    },
    {
      title   = "Breakers"
      metrics = [for name in local.consumer_names : concat(local.written["BreakerOpen"][name], [{ label = name, stat = "Maximum" }])]
    },
    {
      title   = "Tasks"
      metrics = [for name in local.service_names : ["ECS/ContainerInsights", "RunningTaskCount", "ClusterName", aws_ecs_cluster.this.name, "ServiceName", name, { label = name }]]
    },
    {
      # 1 spends the budget of a month in a month; the alarms fire at 14.4 and 6
      title = "Error budget of orders: burn rate over an hour"
      metrics = [
        [{ expression = "IF(requests > 0, 1000 * FILL(errors, 0) / requests, 0)", label = "burn rate", id = "burn" }],
        concat(local.requests["5xx"], [{ id = "errors", stat = "Sum", period = 3600, visible = false }]),
        concat(local.requests["Count"], [{ id = "requests", stat = "Sum", period = 3600, visible = false }]),
      ]
    },
    {
      title   = "API requests"
      metrics = [for metric in ["Count", "4xx", "5xx"] : concat(local.requests[metric], [{ stat = "Sum" }])]
    },
    {
      title   = "API latency"
      metrics = [for stat in ["p50", "p95", "p99"] : concat(local.requests["Latency"], [{ label = "${stat} (ms)", stat = stat }])]
    },
    {
      title   = "Publishes"
      metrics = [for metric in ["NumberOfMessagesPublished", "NumberOfNotificationsFailed"] : ["AWS/SNS", metric, "TopicName", local.topic_name, { stat = "Sum" }]]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = local.name

  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type       = "alarm", x = 0, y = 0, width = 24, height = 4
        properties = { title = "Alarms", alarms = [for alarm in concat([aws_cloudwatch_composite_alarm.orders], local.alarms) : "${local.alarm_arn}:${alarm.alarm_name}"] }
      }],
      [for number, graph in local.graphs : {
        type       = "metric", x = 8 * (number % 3), y = 4 + 6 * floor(number / 3), width = 8, height = 6
        properties = merge(graph, { period = 60, region = var.region, stat = "Average", view = "timeSeries" })
      }],
    )
  })
}
