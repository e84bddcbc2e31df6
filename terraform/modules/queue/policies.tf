# Permissions to send: the topic to the queue and to the queue of undelivered messages, the worker to
# its dead-letter queue, operators to the queue, to redrive, and to the dead-letter queue, to import
# what they exported. Other roles are denied even if their own policies allow it, and so are their
# move tasks. The policies of the roles decide who may receive.

data "aws_iam_policy_document" "this" {
  for_each = local.arns

  dynamic "statement" {
    for_each = each.key == "dlq" ? [] : ["topic"]

    content {
      sid       = "TopicDelivers"
      actions   = ["sqs:SendMessage"]
      resources = [each.value]

      principals {
        type        = "Service"
        identifiers = ["sns.amazonaws.com"]
      }
      condition {
        test     = "ArnEquals"
        variable = "aws:SourceArn"
        values   = [var.topic_arn]
      }
    }
  }

  statement {
    sid       = "DenyOtherSenders"
    effect    = "Deny"
    actions   = ["sqs:SendMessage"]
    resources = [each.value]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
    # ArnNotEquals holds for an absent key: a role has no SourceArn, and the topic has no PrincipalArn.
    dynamic "condition" {
      for_each = {
        for key, values in {
          "aws:SourceArn"    = each.key == "dlq" ? [] : [var.topic_arn]
          "aws:PrincipalArn" = { queue = var.operator_role_arn[*], dlq = concat([var.consumer_role_arn], var.operator_role_arn[*]), undelivered = [] }[each.key]
        } : key => values if length(values) > 0
      }

      content {
        test     = "ArnNotEquals"
        variable = condition.key
        values   = condition.value
      }
    }
  }

  statement {
    sid       = "DenyPlaintext"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [each.value]

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
