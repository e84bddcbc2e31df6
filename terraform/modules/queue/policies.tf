# Who may send: the topic to the queue, and SNS what it could not deliver; the worker to its
# dead-letter queue; operators to all. A role of the account that its own policies let send is
# refused here. Who may receive is said by the roles.

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
    # A key that is absent counts as different: a role has no SourceArn, the topic is no role.
    dynamic "condition" {
      for_each = {
        for key, values in {
          "aws:SourceArn"    = each.key == "dlq" ? [] : [var.topic_arn]
          "aws:PrincipalArn" = concat(each.key == "dlq" ? [var.consumer_role_arn] : [], var.operator_role_arns)
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
