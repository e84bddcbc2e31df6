# The role of operators, if var.operators names somebody. It allows exactly the AWS calls of the commands
# in docs/OPERATIONS.md; tests/infra/test_operators.py runs them as this role, and fails for a right that
# is missing or unused.

locals {
  operator_role_name = "${local.name}-operator"
  operator_role      = toset(length(var.operators) > 0 ? ["this"] : [])
  # Built from its name like the other ARNs: the queues' policies name the role, and its own policy
  # names the queues. null without operators.
  operator_role_arn = one([
    for key in local.operator_role : "arn:${local.partition}:iam::${local.account_id}:role/${local.operator_role_name}"
  ])

  queue_arns = { for name, queue in local.queue_names : name => "${local.sqs_arn}:${queue}${local.fifo_suffix}" }
  dead_letter_arns = {
    for kind in ["dlq", "undelivered"] : kind => [for queue in values(local.queue_names) : "${local.sqs_arn}:${queue}-${kind}${local.fifo_suffix}"]
  }

  consumer_table_arns = distinct([for service in values(local.consumers) : local.table_arns[service.table]])

  # The commands know these tables by the services that use them; a map may lack one.
  operator_tables = {
    for service in ["analytics", "inventory", "relay"] : service => local.table_arns[local.services[service].table]
    if contains(keys(local.services), service)
  }
  story_table_arns = sort(distinct([for name, service in local.services : local.table_arns[service.table]]))
}

resource "aws_iam_role" "operator" {
  for_each = local.operator_role

  name               = local.operator_role_name
  description        = "Operators of ${local.name}: look at queues, dead letters, outbox and stock, and redrive"
  assume_role_policy = data.aws_iam_policy_document.operators_assume[each.key].json

  permissions_boundary = local.permissions_boundary
}

data "aws_iam_policy_document" "operators_assume" {
  for_each = local.operator_role

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = var.operators
    }
  }
}

resource "aws_iam_role_policy" "operator" {
  for_each = local.operator_role

  name   = "operate"
  role   = aws_iam_role.operator[each.key].name
  policy = data.aws_iam_policy_document.operator[each.key].json
}

data "aws_iam_policy_document" "operator" {
  for_each = local.operator_role

  # `workers queues` and `doctor`, and every command that looks up a queue by name
  statement {
    sid       = "FindQueues"
    actions   = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"]
    resources = concat(values(local.queue_arns), flatten(values(local.dead_letter_arns)))
  }

  # `workers dlq`
  statement {
    sid       = "LookAndRedrive"
    actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"]
    resources = flatten(values(local.dead_letter_arns))
  }

  # A move task works with the rights of its caller: it receives and deletes from the source and
  # sends to the destination. For what SNS could not deliver SQS has no move task.
  # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
  statement {
    sid       = "MoveAll"
    actions   = ["sqs:ListMessageMoveTasks", "sqs:StartMessageMoveTask"]
    resources = local.dead_letter_arns["dlq"]
  }

  # Back to the queue; and into the dead-letter queue, for `workers dlq import`
  statement {
    sid       = "SendBack"
    actions   = ["sqs:SendMessage"]
    resources = concat(values(local.queue_arns), local.dead_letter_arns["dlq"])
  }

  # What the services left in their tables. `workers dlq`: whether an event was handled since, and each
  # failed attempt. `workers queues`, `top`, `pause` and `resume`: who runs, and the pause. `workers
  # trace`, `order` and `reconcile`: the books. One statement, because IAM limits the size of a role's
  # policies, and each would repeat the tables.
  statement {
    sid       = "ReadRows"
    actions   = ["dynamodb:BatchGetItem"]
    resources = local.story_table_arns

    condition {
      test     = "ForAllValues:StringLike"
      variable = "dynamodb:LeadingKeys"
      values = [
        "attempts#*", "failures#*", "gateway#*", "inbox#*", "ledger#*", "order#*", "outbox#*", "pause", "payment#*", "reservation#*",
        "sent#*", "worker#*", "workers",
      ]
    }
  }

  # `workers audit`, and the rows of whatever moves messages
  statement {
    sid       = "KeepOperations"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = local.consumer_table_arns

    condition {
      test     = "ForAllValues:StringLike"
      variable = "dynamodb:LeadingKeys"
      values   = ["audit#*", "operation#*"]
    }
  }

  # SQS and S3 use the key with the permissions of the caller.
  dynamic "statement" {
    for_each = local.messaging_key_arns

    content {
      sid       = "MessagingKey"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = concat(["sqs.${var.region}.amazonaws.com"], [for key in setunion(local.archive, local.payloads) : "s3.${var.region}.amazonaws.com"])
      }
    }
  }

  # `workers replay`: it reads the archive, and the order's row for its age. Sending is above.
  dynamic "statement" {
    for_each = var.archive ? { ListArchive = ["s3:ListBucket", ""], ReadArchive = ["s3:GetObject", "/events/*"] } : {}

    content {
      sid       = statement.key
      actions   = [statement.value[0]]
      resources = ["${local.archive_arn}${statement.value[1]}"]
    }
  }

  # `workers dlq show`: what a dead letter refers to; and the rebuild
  dynamic "statement" {
    for_each = local.payloads

    content {
      sid       = "ReadPayloads"
      actions   = ["s3:GetObject"]
      resources = ["${local.payloads_arn}/*"]
    }
  }

  # `workers replay analytics --rebuild`: a new generation of counters beside the current one
  dynamic "statement" {
    for_each = contains(keys(local.operator_tables), "analytics") ? [local.operator_tables["analytics"]] : []

    content {
      sid       = "Rebuild"
      actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
      resources = [statement.value]

      condition {
        test     = "ForAllValues:StringLike"
        variable = "dynamodb:LeadingKeys"
        values   = ["generation", "g*#hour#*", "inbox#g*"]
      }
    }
  }

  # `workers outbox`, `workers stock` and `workers counters`
  dynamic "statement" {
    for_each = {
      for sid, right in {
        ListOutbox  = { service = "relay", actions = ["dynamodb:Query"], index = "/index/outbox" }
        RetryOutbox = { service = "relay", actions = ["dynamodb:GetItem", "dynamodb:UpdateItem"], index = "" }
        Stock       = { service = "inventory", actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan", "dynamodb:UpdateItem"], index = "" }
        Counters    = { service = "analytics", actions = ["dynamodb:BatchGetItem"], index = "" }
      } : sid => right if contains(keys(local.operator_tables), right.service)
    }

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = ["${local.operator_tables[statement.value.service]}${statement.value.index}"]
    }
  }

  # `workers customer erase`; the statements of outbox, stock and orders allow it the rest
  dynamic "statement" {
    for_each = contains(keys(local.services), "payment") ? [local.table_arns[local.services["payment"].table]] : []

    content {
      sid       = "EraseCustomers"
      actions   = ["dynamodb:UpdateItem"]
      resources = [statement.value]

      condition {
        test     = "ForAllValues:StringLike"
        variable = "dynamodb:LeadingKeys"
        values   = ["inbox#*"]
      }
    }
  }

  # `workers pause` and `resume`
  statement {
    sid       = "PauseServices"
    actions   = ["dynamodb:DeleteItem", "dynamodb:PutItem"]
    resources = local.consumer_table_arns

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = ["pause"]
    }
  }

  statement {
    sid       = "QueueMetrics"
    actions   = ["cloudwatch:GetMetricData"]
    resources = ["*"] # this action has no resource
  }

  # `workers order` and `reconcile`
  dynamic "statement" {
    for_each = {
      for sid, right in {
        FindOrders   = { service = "relay", actions = ["dynamodb:GetItem", "dynamodb:Scan"] }
        FindPayments = { service = "payment", actions = ["dynamodb:Scan"] }
      } : sid => right if contains(keys(local.services), right.service)
    }

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = [local.table_arns[local.services[statement.value.service].table]]
    }
  }
}
