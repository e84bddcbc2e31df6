# Scaling. A consumer keeps its backlog per task at what a task handles within the acceptable latency.
# Services without a queue scale by CPU.

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

      # Without a task, any message must exceed the target: a backlog below it would never start the
      # first task.
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
