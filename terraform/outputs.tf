output "region" {
  description = "Region that everything is in."
  value       = var.region
}

output "cluster" {
  description = "Name of the ECS cluster."
  value       = aws_ecs_cluster.this.name
}

output "repository_url" {
  description = "Where the worker image is pushed."
  value       = aws_ecr_repository.worker.repository_url
}

output "topic_arn" {
  description = "The topic that every event goes to."
  value       = aws_sns_topic.this.arn
}

output "queues" {
  description = "By consumer: URLs of the queue, of its dead letters, and of what SNS could not deliver."
  value = {
    for name, queue in module.queue : name => {
      url             = queue.url
      dlq_url         = queue.dlq_url
      undelivered_url = queue.undelivered_url
    }
  }
}

output "tables" {
  description = "Names of the tables, by their names on the map."
  value       = { for name, table in aws_dynamodb_table.this : name => table.name }
}

output "services" {
  description = "By service: its ECS service, task definition, role and log group, and the backlog a task may have."
  value = {
    for name, service in module.service : name => {
      service         = service.service_name
      task_definition = service.task_definition_arn
      task_role_arn   = service.task_role_arn
      log_group       = service.log_group
      target_backlog  = service.target_backlog
    }
  }
}

output "redrive_commands" {
  description = "By consumer: how to see its dead letters and move them back. An operator role has to do it."
  value = {
    for name in keys(module.queue) : name =>
    "AWS_REGION=${var.region} NAME_PREFIX=${local.name_prefix} workers dlq redrive ${name}   # --yes moves"
  }
}
