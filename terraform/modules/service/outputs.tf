output "service_name" {
  description = "Name of the ECS service."
  value       = aws_ecs_service.this.name
}

output "task_definition_arn" {
  description = "ARN of the task definition, with its revision."
  value       = aws_ecs_task_definition.this.arn
}

output "task_role_arn" {
  description = "ARN of the task's role."
  value       = aws_iam_role.task.arn
}

output "execution_role_arn" {
  description = "ARN of the role that ECS starts tasks with."
  value       = aws_iam_role.execution.arn
}

output "log_group" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "target_backlog" {
  description = "Messages that may wait per task before scaling adds one; null without a queue."
  value       = local.target_backlog
}

output "task_policy" {
  description = "What the task's role may do, as JSON: tests read it."
  value       = data.aws_iam_policy_document.task.json
}

output "container" {
  description = "The container definition: tests read it."
  value       = local.container
}
