# Two roles: the task's own, for the code, and the execution role, with which ECS starts tasks.

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:ecs:${local.region}:${local.account_id}:*"]
    }
  }
}

locals {
  # arn:PARTITION:ecs:REGION:ACCOUNT:cluster/NAME
  partition  = split(":", var.cluster.arn)[1]
  region     = split(":", var.cluster.arn)[3]
  account_id = split(":", var.cluster.arn)[4]
}

# --- the task -----------------------------------------------------------------

resource "aws_iam_role" "task" {
  name                 = var.role_name
  description          = "Permissions of the code of ${var.name}"
  assume_role_policy   = data.aws_iam_policy_document.assume.json
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy" "task" {
  name   = "task"
  role   = aws_iam_role.task.name
  policy = data.aws_iam_policy_document.task.json
}

data "aws_iam_policy_document" "task" {
  dynamic "statement" {
    for_each = var.queue[*]

    content {
      sid       = "Consume"
      actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
      resources = [statement.value.arn]
    }
  }

  dynamic "statement" {
    for_each = var.queue[*]

    content {
      sid       = "DeadLetter"
      actions   = ["sqs:SendMessage"]
      resources = [statement.value.dlq_arn]
    }
  }

  # The ECS agent calls it with the task's role.
  dynamic "statement" {
    for_each = var.queue[*]

    content {
      sid       = "ProtectFromScaleIn"
      actions   = ["ecs:UpdateTaskProtection"]
      resources = ["arn:${local.partition}:ecs:${local.region}:${local.account_id}:task/${var.cluster.name}/*"]
    }
  }

  dynamic "statement" {
    for_each = var.publishes_to[*]

    content {
      sid       = "Publish"
      actions   = ["sns:Publish"]
      resources = [statement.value]
    }
  }

  # A transaction needs the permission for each of its writes, and none of its own.
  dynamic "statement" {
    for_each = var.table.sweeps ? [] : ["this"]

    content {
      sid       = "Documents"
      actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
      resources = [var.table.arn]
    }
  }

  dynamic "statement" {
    for_each = var.table.sweeps ? ["this"] : []

    content {
      sid       = "SweepOutbox"
      actions   = ["dynamodb:Query"]
      resources = ["${var.table.arn}/index/outbox"]
    }
  }

  dynamic "statement" {
    for_each = var.table.sweeps ? ["this"] : []

    content {
      sid       = "MarkOutbox"
      actions   = ["dynamodb:ConditionCheckItem", "dynamodb:GetItem", "dynamodb:UpdateItem"]
      resources = [var.table.arn]

      # The table has the orders too, and those are not the relay's.
      # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
      condition {
        test     = "ForAllValues:StringLike"
        variable = "dynamodb:LeadingKeys"
        values   = ["lease#outbox#*", "outbox#*"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.email[*]

    content {
      sid       = "SendEmail"
      actions   = ["ses:SendEmail"]
      resources = statement.value.arns

      condition {
        test     = "StringEquals"
        variable = "ses:FromAddress"
        values   = [statement.value.sender]
      }
    }
  }

  dynamic "statement" {
    for_each = { for action, granted in { Get = try(var.payloads.get, false), Put = try(var.payloads.put, false) } : action => var.payloads.arn if granted }

    content {
      sid       = "${statement.key}Payloads"
      actions   = ["s3:${statement.key}Object"]
      resources = ["${statement.value}/*"]
    }
  }

  # SQS, SNS and S3 use the key with the permissions of the caller.
  dynamic "statement" {
    for_each = var.kms_key_arn[*]

    content {
      sid       = "MessagingKey"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = concat(["sns.${local.region}.amazonaws.com", "sqs.${local.region}.amazonaws.com"], [for _ in var.payloads[*] : "s3.${local.region}.amazonaws.com"])
      }
    }
  }

  dynamic "statement" {
    for_each = var.enable_execute_command ? ["this"] : []

    content {
      sid       = "ExecuteCommand"
      actions   = ["ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"]
      resources = ["*"] # these actions have no resource
    }
  }

  # The agent of ECS Exec logs each session with the task's role.
  # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html#ecs-exec-logging
  dynamic "statement" {
    for_each = var.enable_execute_command ? {
      FindSessionLog = [["logs:DescribeLogGroups"], "*"] # the agent lists all groups
      LogSessions    = [["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"], "${var.session_log_arn}:*"]
    } : {}

    content {
      sid       = statement.key
      actions   = statement.value[0]
      resources = [statement.value[1]]
    }
  }

  # The collector uses the task's role.
  dynamic "statement" {
    for_each = var.tracing[*]

    content {
      sid       = "Trace"
      actions   = ["xray:PutTraceSegments"]
      resources = ["*"] # this action has no resource
    }
  }
}

# --- ECS on behalf of the task ------------------------------------------------

locals {
  # The first seven parts name a secret; the others select a key, a stage and a version of it.
  secret_arns = [
    for arn in values(var.capacity.secrets) : join(":", slice(split(":", arn), 0, min(7, length(split(":", arn)))))
  ]
}

resource "aws_iam_role" "execution" {
  name                 = "${local.family}-execution"
  description          = "ECS starts tasks of ${var.name}: pull the image, write logs, read secrets"
  assume_role_policy   = data.aws_iam_policy_document.assume.json
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy" "execution" {
  name   = "execution"
  role   = aws_iam_role.execution.name
  policy = data.aws_iam_policy_document.execution.json
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "LogIn"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # this action has no resource
  }

  statement {
    sid       = "Pull"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = concat([var.repository_arn], var.tracing[*].repository_arn)
  }

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:${var.log_group.name}:*"]
  }

  dynamic "statement" {
    for_each = {
      for service, action in { secretsmanager = "secretsmanager:GetSecretValue", ssm = "ssm:GetParameters" } : action => distinct([
        for arn in local.secret_arns : arn if split(":", arn)[2] == service
      ])
      if anytrue([for arn in local.secret_arns : split(":", arn)[2] == service])
    }

    content {
      sid       = "Read${title(split(":", statement.key)[0])}"
      actions   = [statement.key]
      resources = statement.value
    }
  }

  # Both services use the key with the permissions of the caller.
  dynamic "statement" {
    for_each = length(local.secret_arns) == 0 || length(var.secrets_key_arns) == 0 ? [] : ["this"]

    content {
      sid       = "DecryptSecrets"
      actions   = ["kms:Decrypt"]
      resources = var.secrets_key_arns

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["secretsmanager.${local.region}.amazonaws.com", "ssm.${local.region}.amazonaws.com"]
      }
    }
  }
}
