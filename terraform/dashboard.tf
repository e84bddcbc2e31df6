# The dashboard: the alarms, a row for API and topic, and a row for each consumer of the map.

locals {
  consumer_names = sort(keys(local.consumers))
  alarm_arn      = "arn:${local.partition}:cloudwatch:${var.region}:${local.account_id}:alarm"

  # Three graphs for each consumer: messages in the queue, their results, tasks.
  consumer_graphs = { for name in local.consumer_names : name => [
    {
      title = "${name}: messages"
      metrics = [
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", module.queue[name].name, { label = "waiting" }],
        ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", module.queue[name].name, { label = "in flight" }],
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", module.queue[name].dlq_name, { label = "dead-lettered" }],
        ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", module.queue[name].name, { label = "oldest (s)", stat = "Maximum", yAxis = "right" }],
      ]
    },
    {
      title = "${name}: results per minute"
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

  # The first row: requests to the API, and the events that order-api publishes.
  entry_graphs = [
    {
      title = "API: requests"
      metrics = [
        for figure in ["Count", "4xx", "5xx"] :
        ["AWS/ApiGateway", figure, "ApiId", aws_apigatewayv2_api.orders.id, { stat = "Sum" }]
      ]
    },
    {
      title   = "API: latency (ms)"
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
