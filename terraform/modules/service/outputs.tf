output "service_name" {
  description = "Name of the ECS service."
  value       = aws_ecs_service.this.name
}

output "task_definition_arn" {
  description = "ARN of the task definition, including its revision."
  value       = aws_ecs_task_definition.this.arn
}

output "task_role_arn" {
  description = "ARN of the task's role."
  value       = aws_iam_role.task.arn
}

output "execution_role_arn" {
  description = "ARN of the role with which ECS starts tasks."
  value       = aws_iam_role.execution.arn
}

output "log_group" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "target_backlog" {
  description = "Waiting messages per task above which scaling adds a task; null without a queue."
  value       = local.target_backlog
}

output "task_policy" {
  description = "Policy of the task's role as JSON, for tests."
  value       = data.aws_iam_policy_document.task.json
}

output "container" {
  description = "Container definition, for tests."
  value       = local.container
}

output "permissions_boundaries" {
  description = "ARN of the policy that limits the roles of task and execution, for tests."
  value       = [aws_iam_role.task.permissions_boundary, aws_iam_role.execution.permissions_boundary]
}

output "collectors" {
  description = "Definition of the collector's container, if there is one, for tests."
  value       = local.collectors
}
