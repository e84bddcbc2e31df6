# Releases: what rolls one back, and who hears of it. ECS watches the alarm of a service only while it
# deploys that service. These alarms notify nobody: the rule below reports the rollback.

locals {
  # One message that fails, or one slow request, must not roll a release back.
  release_failures = 5

  # By service: an expression that is 1 while the release does harm, and its metrics.
  release_checks = merge(
    {
      for name in keys(local.consumers) : name => {
        # A failure is a message handed back or dead-lettered. An outage of a dependency is neither.
        harm = "IF((failed >= ${local.release_failures} AND failed > handled) OR dead >= ${local.release_failures}, 1, 0)"
        metrics = {
          for id, metric in { handled = "MessagesProcessed", failed = "MessagesFailed", dead = "DeadLettered" } :
          id => { namespace = local.metrics, name = metric, stat = "Sum", dimensions = { Environment = var.environment, Service = name } }
        }
      }
    },
    {
      (local.order_api) = {
        harm = "IF(errors >= ${local.release_failures} AND 10 * errors > requests, 1, 0)" # 10 percent
        metrics = {
          for id, metric in { errors = "5xx", requests = "Count" } :
          id => { namespace = "AWS/ApiGateway", name = metric, stat = "Sum", dimensions = { ApiId = aws_apigatewayv2_api.orders.id } }
        }
      }
      (local.relay) = {
        harm    = "IF(age > 60, 1, 0)" # s, as in the alarm outbox_age
        metrics = { age = { namespace = local.metrics, name = "OutboxAge", stat = "Maximum", dimensions = { Environment = var.environment, Service = local.relay } } }
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "release" {
  for_each = local.release_checks

  alarm_name          = "${local.name}-${each.key}-release"
  alarm_description   = "${each.key} does harm: most of its work fails. During a deployment, ECS rolls the release back."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "harm"
    label       = "1 while most of the work fails"
    expression  = each.value.harm
    return_data = true
  }

  dynamic "metric_query" {
    for_each = each.value.metrics

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        dimensions  = metric_query.value.dimensions
        period      = 60
        stat        = metric_query.value.stat
      }
    }
  }
}

# --- failed deployments -------------------------------------------------------------

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_deployment_events.html
resource "aws_cloudwatch_event_rule" "deployment_failed" {
  name        = local.deployment_rule_name
  description = "ECS has stopped a deployment of ${local.name}"

  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Deployment State Change"]
    resources   = [{ prefix = "arn:${local.partition}:ecs:${var.region}:${local.account_id}:service/${local.name}/" }]
    detail      = { eventName = ["SERVICE_DEPLOYMENT_FAILED"] }
  })
}

resource "aws_cloudwatch_event_target" "deployment_failed" {
  rule = aws_cloudwatch_event_rule.deployment_failed.name
  arn  = aws_sns_topic.alerts.arn

  input_transformer {
    input_paths = { deployment = "$.detail.deploymentId", reason = "$.detail.reason", service = "$.resources[0]" }
    # jsonencode would write <service> as \u003cservice\u003e.
    input_template = "\"The deployment <deployment> of <service> failed and is rolled back: <reason>. Its events say why: aws ecs describe-services.\""
  }

  # EventBridge does not try again for a topic that refuses it.
  depends_on = [aws_sns_topic_policy.alerts]
}

locals {
  deployment_rule_name = "${local.name}-deployment-failed"
  deployment_rule_arn  = "arn:${local.partition}:events:${var.region}:${local.account_id}:rule/${local.deployment_rule_name}"
}
