# The topic, and for each consumer of the map a queue with dead-letter queues and a subscription.

resource "aws_sns_topic" "this" {
  name                             = local.topic_name
  fifo_topic                       = local.fifo
  fifo_throughput_scope            = local.fifo ? "MessageGroup" : null
  kms_master_key_id                = var.customer_managed_key ? aws_kms_key.messaging["this"].arn : "alias/aws/sns"
  sqs_failure_feedback_role_arn    = aws_iam_role.sns_feedback.arn
  sqs_success_feedback_role_arn    = aws_iam_role.sns_feedback.arn
  sqs_success_feedback_sample_rate = 5 # percent; all failures are logged

  # SNS logs the first delivery there.
  depends_on = [aws_cloudwatch_log_group.delivery]
}

resource "aws_sns_topic_policy" "this" {
  arn    = aws_sns_topic.this.arn
  policy = data.aws_iam_policy_document.topic.json
}

module "queue" {
  source   = "./modules/queue"
  for_each = local.consumers

  name               = local.queue_names[each.key]
  fifo               = local.fifo
  arn_prefix         = local.sqs_arn
  topic_arn          = aws_sns_topic.this.arn
  consumes           = each.value.consumes
  visibility_timeout = each.value.visibility_timeout
  # The worker dead-letters a message after max_attempts, with the reason. SQS's own count is a
  # distant backstop, the maximum it accepts: MAX_RECEIVE_COUNT in workers/topology.py.
  max_receive_count = 1000
  retention         = each.value.retention
  dlq_retention     = each.value.dlq_retention
  consumer_role_arn = local.role_arns[each.key]
  operator_role_arn = local.operator_role_arn
  tags              = { Owner = each.value.owner }
  kms_key_arn       = var.customer_managed_key ? aws_kms_key.messaging["this"].arn : null
}

# This policy allows nothing: within the account, the policy of each role does that. A denial holds
# for every role, whatever its own policies allow.
data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "DenyOtherPublishers"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [local.topic_arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "ArnNotEquals"
      variable = "aws:PrincipalArn"
      values   = [for name in sort(keys(local.publishers)) : local.role_arns[name]]
    }
  }

  statement {
    sid       = "DenyPlaintext"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [local.topic_arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

# --- delivery status ----------------------------------------------------------

# SNS would create these groups itself and keep the lines forever.
resource "aws_cloudwatch_log_group" "delivery" {
  #checkov:skip=CKV_AWS_158:encrypted by CloudWatch's own key; the lines hold ids and status, no message
  #checkov:skip=CKV_AWS_338:var.log_retention_days sets the retention; each environment decides
  for_each = toset(["", "/Failure"])

  name              = "sns/${var.region}/${local.account_id}/${local.topic_name}${each.key}"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "sns_feedback" {
  name                 = "${local.name}-sns-feedback"
  description          = "SNS logs the status of its deliveries"
  assume_role_policy   = data.aws_iam_policy_document.sns_assumes.json
  permissions_boundary = local.permissions_boundary
}

data "aws_iam_policy_document" "sns_assumes" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }
}

resource "aws_iam_role_policy" "sns_feedback" {
  name   = "delivery-status"
  role   = aws_iam_role.sns_feedback.name
  policy = data.aws_iam_policy_document.sns_feedback.json
}

data "aws_iam_policy_document" "sns_feedback" {
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [for group in aws_cloudwatch_log_group.delivery : "${group.arn}:*"]
  }
}
