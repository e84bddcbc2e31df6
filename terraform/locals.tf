data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition

  # Prefix of the names that the code looks up: NAME_PREFIX.
  name_prefix = var.name_prefix == null ? "${var.environment}-" : var.name_prefix
  # Name of what belongs to no service: cluster, network, repository.
  name = "${local.name_prefix}order-pipeline"
  # The same for names that are unique across accounts and allow only lower-case letters, digits and
  # hyphens.
  dns_name = "${replace(lower(local.name), "_", "-")}-${local.account_id}"

  tags = merge(var.tags, {
    Project     = "order-pipeline"
    Environment = var.environment
    ManagedBy   = "terraform"
  })

  permissions_boundary = var.permissions_boundary == null ? null : "arn:${local.partition}:iam::${local.account_id}:policy/${var.permissions_boundary}"

  # Seconds from SIGTERM to SIGKILL, the maximum on Fargate. The code gets the same number as
  # STOP_TIMEOUT and derives all of its margins from it: workers/runtime/worker.py.
  # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
  stop_timeout = 120

  # As in workers/topology.py. The names of FIFO topics and queues end in a suffix; queue_names are
  # without it, because "-dlq" and "-undelivered" come first.
  fifo        = try(local.topology.fifo, false)
  fifo_suffix = local.fifo ? ".fifo" : ""
  queue_names = { for name in keys(local.consumers) : name => "${local.name_prefix}${name}-queue" }
  topic_name  = "${local.name_prefix}${local.topology.topic}${local.fifo_suffix}"
  table_names = { for name in keys(local.topology.tables) : name => lookup(var.table_names, name, "${local.name_prefix}${name}") }
  role_names  = { for name in keys(local.services) : name => "${local.name_prefix}${name}-task" }

  # ARNs built from names: reading them from the resources would be a cycle, as with a queue and its
  # policy. They are also known in a plan, where tests read the policies.
  topic_arn  = "arn:${local.partition}:sns:${var.region}:${local.account_id}:${local.topic_name}"
  role_arns  = { for name, role in local.role_names : name => "arn:${local.partition}:iam::${local.account_id}:role/${role}" }
  table_arns = { for name, table in local.table_names : name => "arn:${local.partition}:dynamodb:${var.region}:${local.account_id}:table/${table}" }
  sqs_arn    = "arn:${local.partition}:sqs:${var.region}:${local.account_id}"

  # SES must have verified the sender's domain.
  email_identity = split("@", var.sender_email)[1]
  # Sending also needs permission for the identity's configuration set, though the code names none.
  email_configuration_set = replace(local.email_identity, ".", "-")
  # In the sandbox, sending also needs permission for the identity of the recipient.
  email_arns = [
    for resource in concat(
      ["identity/${local.email_identity}", "configuration-set/${local.email_configuration_set}"],
      [for email in var.sandbox_recipients : "identity/${email}"],
    ) : "arn:${local.partition}:ses:${var.region}:${local.account_id}:${resource}"
  ]
}
