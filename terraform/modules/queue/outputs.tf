output "name" {
  description = "Name of the queue."
  value       = aws_sqs_queue.this.name
}

output "url" {
  description = "URL of the queue."
  value       = aws_sqs_queue.this.url
}

output "arn" {
  description = "ARN of the queue."
  value       = local.arns.queue
}

output "dlq_name" {
  description = "Name of the dead-letter queue."
  value       = aws_sqs_queue.dlq.name
}

output "dlq_url" {
  description = "URL of the dead-letter queue."
  value       = aws_sqs_queue.dlq.url
}

output "dlq_arn" {
  description = "ARN of the dead-letter queue."
  value       = local.arns.dlq
}

output "undelivered_name" {
  description = "Name of the queue of messages that SNS could not deliver."
  value       = aws_sqs_queue.undelivered.name
}

output "undelivered_url" {
  description = "URL of the queue of messages that SNS could not deliver."
  value       = aws_sqs_queue.undelivered.url
}

output "undelivered_arn" {
  description = "ARN of the queue of messages that SNS could not deliver."
  value       = local.arns.undelivered
}

output "subscription_arn" {
  description = "ARN of the subscription."
  value       = aws_sns_topic_subscription.this.arn
}

output "policies" {
  description = "Policies of the three queues as JSON, for tests."
  value       = { for kind, document in data.aws_iam_policy_document.this : kind => document.json }
}
