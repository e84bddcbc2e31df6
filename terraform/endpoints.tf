# The endpoints of the VPC. The policy of each allows only the actions and resources that the services
# need: without a way out (internet.tf), a compromised task cannot send data to another account.

locals {
  # Actions and resources by endpoint.
  endpoint_rights = merge({
    "sqs" = [{
      actions = concat(
        ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:SendMessage"],
        var.reconcile_hours == null ? [] : ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"],
      )
      resources = flatten([for queue in local.queue_names : ["${local.sqs_arn}:${queue}${local.fifo_suffix}", "${local.sqs_arn}:${queue}-dlq${local.fifo_suffix}"]])
    }]
    "sns"   = [{ actions = ["sns:Publish"], resources = [local.topic_arn] }]
    "email" = [{ actions = ["ses:SendEmail"], resources = local.email_arns }]
    "logs" = concat(
      [{ actions = ["logs:CreateLogStream", "logs:PutLogEvents"], resources = ["${local.log_groups_arn}:*"] }],
      flatten([for key in local.sessions : [
        { actions = ["logs:DescribeLogGroups"], resources = ["*"] },
        { actions = ["logs:DescribeLogStreams"], resources = ["${local.session_log_arn}:*"] },
      ]]),
    )
    "ecr.api" = local.pull_rights
    "ecr.dkr" = local.pull_rights
    },
    { for endpoint, arns in local.secret_arns : endpoint => [{
      actions   = [endpoint == "ssm" ? "ssm:GetParameters" : "secretsmanager:GetSecretValue"]
      resources = arns
    }] if length(arns) > 0 },
    { for endpoint in var.enable_execute_command ? ["ssmmessages"] : [] : endpoint => [{
      actions   = ["ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"]
      resources = ["*"]
    }] },
    # This action has no resource.
    { for endpoint in var.tracing == null ? [] : ["xray"] : endpoint => [{ actions = ["xray:PutTraceSegments"], resources = ["*"] }] },
  )

  pull_rights = [
    { actions = ["ecr:GetAuthorizationToken"], resources = ["*"] }, # this action has no resource
    {
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = concat([local.repository_arn], local.collector_repository_arns)
    },
  ]

  secret_arns = {
    for service in ["secretsmanager", "ssm"] : service => distinct([
      # The first seven parts name a secret; the others select a key, a stage and a version.
      for arn in flatten([for secrets in local.secrets : values(secrets)]) : join(":", slice(split(":", arn), 0, min(7, length(split(":", arn))))) if split(":", arn)[2] == service
    ])
  }
}

data "aws_iam_policy_document" "endpoint" {
  for_each = local.has_endpoints ? local.endpoint_rights : {}

  dynamic "statement" {
    for_each = each.value

    content {
      actions   = statement.value.actions
      resources = statement.value.resources

      principals {
        type        = "AWS"
        identifiers = ["*"]
      }
      condition {
        test     = "StringEquals"
        variable = "aws:PrincipalAccount"
        values   = [local.account_id]
      }
    }
  }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = data.aws_iam_policy_document.endpoint

  vpc_id              = local.vpc_id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  policy              = each.value.json
  private_dns_enabled = true
  security_group_ids  = [aws_security_group.endpoints["this"].id]
  subnet_ids          = local.subnet_ids
  tags                = { Name = "${local.name}-${each.key}" }
}

resource "aws_security_group" "endpoints" {
  #checkov:skip=CKV2_AWS_5:attached to every interface endpoint, above
  for_each = toset(local.has_endpoints ? ["this"] : [])

  name        = "${local.name}-endpoints"
  description = "Interface endpoints of ${local.name}"
  vpc_id      = local.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  for_each = aws_security_group.endpoints

  security_group_id            = each.value.id
  description                  = "TLS from the tasks"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = aws_security_group.tasks.id
}

resource "aws_vpc_endpoint" "gateway" {
  for_each = {
    for endpoint, document in {
      dynamodb = data.aws_iam_policy_document.dynamodb_endpoint
      s3       = data.aws_iam_policy_document.s3_endpoint
    } : endpoint => document.json if var.vpc_id == null
  }

  vpc_id            = local.vpc_id
  service_name      = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type = "Gateway"
  policy            = each.value
  route_table_ids   = [for each in aws_route_table.private : each.id]
  tags              = { Name = "${local.name}-${each.key}" }
}

data "aws_iam_policy_document" "dynamodb_endpoint" {
  statement {
    actions = concat(
      ["dynamodb:ConditionCheckItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"],
      var.reconcile_hours == null ? [] : ["dynamodb:BatchGetItem", "dynamodb:Scan"],
    )
    resources = flatten([
      for arn in local.table_arns : [arn, "${arn}/index/outbox"]
    ])

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [local.account_id]
    }
  }
}

# ECR keeps the layers of images here. It signs the requests itself, so no account can be required.
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
data "aws_iam_policy_document" "s3_endpoint" {
  #checkov:skip=CKV_AWS_283:ECR signs these requests with its own account; they only read the layers of images
  statement {
    actions   = ["s3:GetObject"]
    resources = ["arn:${local.partition}:s3:::prod-${var.region}-starport-layer-bucket/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }

  # Large events (payloads.tf)
  dynamic "statement" {
    for_each = local.payloads

    content {
      actions   = ["s3:GetObject", "s3:PutObject"]
      resources = ["${local.payloads_arn}/*"]

      principals {
        type        = "AWS"
        identifiers = ["*"]
      }
      condition {
        test     = "StringEquals"
        variable = "aws:PrincipalAccount"
        values   = [local.account_id]
      }
    }
  }
}
