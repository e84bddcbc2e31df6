# Scaling. A consumer keeps its backlog per task at what a task handles within the acceptable latency,
# unless it is paused; from 0, the first message starts a task. Services without a queue scale by CPU. Schedules change the
# limits.

locals {
  # Messages that may wait per task. In milliseconds, because floor() would expose the rounding of 0.6.
  target_backlog = var.queue == null ? null : max(1, floor(
    var.capacity.acceptable_latency * 1000 * var.queue.concurrency / var.capacity.handling_ms
  ))

  # Longer than a stop, so that scaling counts what a stopping task hands back before it stops another.
  scale_in_cooldown  = max(300, 2 * var.stop_timeout)
  scale_out_cooldown = 60
  processor_target   = 60 # percent
}

resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${var.cluster.name}/${aws_ecs_service.this.name}"
  min_capacity       = var.capacity.min
  max_capacity       = var.capacity.max
}

resource "aws_appautoscaling_policy" "backlog" {
  for_each = toset(var.queue == null ? [] : ["this"])

  name               = "${local.family}-backlog"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = local.target_backlog
    scale_in_cooldown  = local.scale_in_cooldown
    scale_out_cooldown = local.scale_out_cooldown

    # https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking-metric-math.html
    customized_metric_specification {
      metrics {
        id          = "visible"
        label       = "Waiting messages"
        return_data = false

        metric_stat {
          stat = "Average"

          metric {
            namespace   = "AWS/SQS"
            metric_name = "ApproximateNumberOfMessagesVisible"

            dimensions {
              name  = "QueueName"
              value = var.queue.name
            }
          }
        }
      }

      metrics {
        id          = "running"
        label       = "Running tasks"
        return_data = false

        metric_stat {
          stat = "Average"

          metric {
            namespace   = "ECS/ContainerInsights"
            metric_name = "RunningTaskCount"

            dimensions {
              name  = "ClusterName"
              value = var.cluster.name
            }
            dimensions {
              name  = "ServiceName"
              value = aws_ecs_service.this.name
            }
          }
        }
      }

      metrics {
        id          = "paused"
        label       = "1 while an operator pauses the service"
        return_data = false

        metric_stat {
          stat = "Maximum"

          metric {
            namespace   = var.metrics_namespace
            metric_name = "Paused"

            dimensions {
              name  = "Environment"
              value = var.environment["ENVIRONMENT"]
            }
            dimensions {
              name  = "Service"
              value = var.name
            }
          }
        }
      }

      # A paused service counts as being at the target: more tasks would not help, and fewer would have
      # to be started when the pause ends.
      #
      # The ratio is without FILL: CloudWatch would use the fill value whenever the newest minute is
      # late, and the alarms of this policy would never see enough of them in a row. Without a task
      # there is no ratio; see wake below. The pause is with FILL: a version that does not report it is
      # not paused, and a minute in which it is late is one breach, where scaling out takes three in a row.
      metrics {
        id          = "backlog"
        label       = "Backlog per task"
        expression  = "IF(FILL(paused, 0) > 0, ${local.target_backlog}, visible / running)"
        return_data = true
      }
    }
  }
}

# --- from 0 to 1 ---------------------------------------------------------------

locals {
  wakes = toset(var.queue != null && min(var.capacity.min, values(var.capacity.schedules)[*].min...) == 0 ? ["this"] : [])
}

resource "aws_appautoscaling_policy" "wake" {
  for_each = local.wakes

  name               = "${local.family}-wake"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  step_scaling_policy_configuration {
    adjustment_type         = "ChangeInCapacity" # if it is wrong about the tasks, it stops none
    cooldown                = local.scale_in_cooldown
    metric_aggregation_type = "Maximum"

    step_adjustment {
      metric_interval_lower_bound = 0
      scaling_adjustment          = 1
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "wake" {
  for_each = local.wakes

  alarm_name          = "${local.family}-wake"
  alarm_description   = "Messages wait for ${var.name}, and no task runs. Scaling starts one."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 2 # the number of tasks can be late by a minute
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_appautoscaling_policy.wake[each.key].arn]

  metric_query {
    id          = "asleep"
    label       = "1 while messages wait and no task runs"
    expression  = "IF(visible > 0 AND FILL(running, 0) < 1, 1, 0)"
    return_data = true
  }

  metric_query {
    id = "visible"

    metric {
      namespace   = "AWS/SQS"
      metric_name = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = var.queue.name }
      period      = 60
      stat        = "Maximum"
    }
  }

  metric_query {
    id = "running"

    metric {
      namespace   = "ECS/ContainerInsights"
      metric_name = "RunningTaskCount"
      dimensions  = { ClusterName = var.cluster.name, ServiceName = aws_ecs_service.this.name }
      period      = 60
      stat        = "Maximum"
    }
  }
}

# --- on the calendar -----------------------------------------------------------

resource "aws_appautoscaling_scheduled_action" "this" {
  for_each = var.capacity.schedules

  name               = "${local.family}-${each.key}"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id
  schedule           = each.value.at
  timezone           = each.value.timezone

  scalable_target_action {
    min_capacity = each.value.min
    max_capacity = each.value.max
  }
}

# --- by CPU ----------------------------------------------------------------------

resource "aws_appautoscaling_policy" "processor" {
  for_each = toset(var.queue == null ? ["this"] : [])

  name               = "${local.family}-processor"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = local.processor_target
    scale_in_cooldown  = local.scale_in_cooldown
    scale_out_cooldown = local.scale_out_cooldown

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}
