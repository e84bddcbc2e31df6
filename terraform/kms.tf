# The key of this account that encrypts the topic and the queues, if var.customer_managed_key is set.

locals {
  messaging_key      = toset(var.customer_managed_key ? ["this"] : [])
  messaging_key_arns = [for key in aws_kms_key.messaging : key.arn]
}

resource "aws_kms_key" "messaging" {
  for_each = local.messaging_key

  description             = "Topic and queues of ${local.name}"
  deletion_window_in_days = 30
  enable_key_rotation     = true
  policy                  = data.aws_iam_policy_document.messaging_key.json
}

resource "aws_kms_alias" "messaging" {
  for_each = local.messaging_key

  name          = "alias/${local.name}-messaging"
  target_key_id = aws_kms_key.messaging[each.key].key_id
}

data "aws_iam_policy_document" "messaging_key" {
  #checkov:skip=CKV_AWS_109:in the policy of a key, * is this key
  #checkov:skip=CKV_AWS_111:in the policy of a key, * is this key
  #checkov:skip=CKV_AWS_356:in the policy of a key, * is this key
  statement {
    sid       = "AccountDecides"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account_id}:root"]
    }
  }

  # Without it, SNS silently drops messages that it cannot encrypt for a queue.
  # https://docs.aws.amazon.com/sns/latest/dg/sns-enable-encryption-for-topic-sqs-queue-subscriptions.html
  statement {
    sid       = "TopicDeliversToQueues"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.topic_arn]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }

  # The alert topic uses the key too.
  statement {
    sid       = "AlarmsTell"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }

  statement {
    sid       = "RuleTells"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.deployment_rule_arn]
    }
  }
}
