# How many tasks: a consumer has as many as keep the backlog of each within what can be handled in
# the acceptable time; the others follow their processor.

locals {
  # Messages that may wait per task. In whole milliseconds: 0.6 is not exact, and floor shows it.
  target_backlog = var.queue == null ? null : max(1, floor(
    var.capacity.acceptable_latency * 1000 * var.queue.concurrency / var.capacity.handling_ms
  ))

  # Slower than a stop, so that what a stopping task hands back is counted before the next one goes.
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
        label       = "Messages that wait"
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

      # Without a task any message is too much: scaling acts on what is above the target, and a
      # backlog below it would never start the first one.
      metrics {
        id          = "backlog"
        label       = "Backlog per task"
        expression  = "IF(FILL(running, 0) > 0, FILL(visible, 0) / running, IF(FILL(visible, 0) > 0, ${2 * local.target_backlog}, 0))"
        return_data = true
      }
    }
  }
}

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
