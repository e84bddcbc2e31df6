output "region" {
  description = "Region of all resources."
  value       = var.region
}

output "cluster" {
  description = "Name of the ECS cluster."
  value       = aws_ecs_cluster.this.name
}

output "repository_url" {
  description = "URL of the repository of the worker image."
  value       = local.repository_url
}

output "topic_arn" {
  description = "ARN of the topic that receives every event."
  value       = aws_sns_topic.this.arn
}

output "queues" {
  description = "By consumer: URLs of the queue, its dead-letter queue, and the queue of what SNS could not deliver."
  value = {
    for name, queue in module.queue : name => {
      url             = queue.url
      dlq_url         = queue.dlq_url
      undelivered_url = queue.undelivered_url
    }
  }
}

output "tables" {
  description = "Names of the tables, by name on the map."
  value       = { for name, table in aws_dynamodb_table.this : name => table.name }
}

output "services" {
  description = "By service: ECS service, task definition, role, log group, and the target backlog per task."
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

output "images" {
  description = "By service: the image that it runs."
  value       = local.images
}

output "redrive_commands" {
  description = "By consumer: the command that redrives its dead letters. It needs the operator role."
  value = {
    for name in keys(module.queue) : name =>
    "AWS_REGION=${var.region} NAME_PREFIX=${local.name_prefix} workers dlq redrive ${name}   # --yes applies it"
  }
}

output "operator_role_arn" {
  description = "ARN of the role of operators; null without var.operators."
  value       = local.operator_role_arn
}

output "api_url" {
  description = "URL of the API. Orders are placed with POST {api_url}/orders."
  value       = length(local.api_dns) > 0 ? "https://${keys(local.api_dns)[0]}" : aws_apigatewayv2_api.orders.api_endpoint
}

output "api_dns_record" {
  description = "The CNAME record that you add for the API's domain, from edge or api_domain. Empty without either."
  value       = local.api_dns
}

locals {
  api_dns = merge(
    { for each in aws_cloudfront_distribution.api : var.edge.domain => each.domain_name },
    { for name, each in aws_apigatewayv2_domain_name.this : name => each.domain_name_configuration[0].target_domain_name },
  )
}

output "tokens" {
  description = "Token endpoint, and the clients with their scopes; null with an issuer of your own. `aws cognito-idp describe-user-pool-client` shows a client's secret."
  value = one([for key, domain in aws_cognito_user_pool_domain.this : {
    url          = "https://${domain.domain}.auth.${var.region}.amazoncognito.com/oauth2/token"
    user_pool_id = domain.user_pool_id
    clients = {
      for name, client in aws_cognito_user_pool_client.machine :
      name => { id = client.id, scopes = sort(client.allowed_oauth_scopes) }
    }
  }])
}

output "dashboard_url" {
  description = "URL of the dashboard."
  value       = "https://${var.region}.console.aws.amazon.com/cloudwatch/home?region=${var.region}#dashboards/dashboard/${aws_cloudwatch_dashboard.this.dashboard_name}"
}

output "payload_bucket" {
  description = "The bucket of large events: PAYLOAD_BUCKET for the commands of operators; null without var.large_payloads."
  value       = one([for bucket in aws_s3_bucket.payloads : bucket.bucket])
}

output "archive" {
  description = "The archive of every event: its bucket, and workgroup, database and table for Athena; null without var.archive."
  value = one([for key, bucket in aws_s3_bucket.archive : {
    bucket    = bucket.id
    workgroup = aws_athena_workgroup.archive[key].name
    database  = aws_glue_catalog_database.archive[key].name
    table     = aws_glue_catalog_table.archive[key].name
  }])
}

output "alert_topic_arn" {
  description = "ARN of the topic that alarms notify. Subscribe a pager or a chat to it."
  value       = aws_sns_topic.alerts.arn
}

output "owner_topic_arns" {
  description = "By owner on the map: ARN of the topic that the alarms of its services notify."
  value       = { for owner, topic in aws_sns_topic.owner : owner => topic.arn }
}

output "email_dns_records" {
  description = "CNAME records that prove to SES that you own the sender's domain. SES sends no mail without them."
  value = {
    for token in flatten([for identity in aws_sesv2_email_identity.this : identity.dkim_signing_attributes[0].tokens]) :
    "${token}._domainkey.${local.email_identity}" => "${token}.dkim.amazonses.com"
  }
}
