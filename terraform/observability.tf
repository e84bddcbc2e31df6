# The alert topic, and one composite alarm for the whole system.

locals {
  alert_topic_name = "${local.name}-alerts"
  # Built from the name, like the ARNs in locals.tf.
  alert_topic_arn = "arn:${local.partition}:sns:${var.region}:${local.account_id}:${local.alert_topic_name}"
}

resource "aws_sns_topic" "alerts" {
  #checkov:skip=CKV_AWS_26:CloudWatch cannot publish with SNS's own key, and alerts hold only names and numbers
  name              = local.alert_topic_name
  kms_master_key_id = var.customer_managed_key ? aws_kms_key.messaging["this"].arn : null
}

resource "aws_sns_topic_policy" "alerts" {
  arn    = aws_sns_topic.alerts.arn
  policy = data.aws_iam_policy_document.alerts.json
}

data "aws_iam_policy_document" "alerts" {
  statement {
    sid       = "AlarmsTell"
    actions   = ["sns:Publish"]
    resources = [local.alert_topic_arn]

    principals {
      type        = "Service"
      identifiers = concat(["cloudwatch.amazonaws.com"], var.monthly_budget == null ? [] : ["budgets.amazonaws.com"])
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }

  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
  statement {
    sid       = "RuleTells"
    actions   = ["sns:Publish"]
    resources = [local.alert_topic_arn]

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

  statement {
    sid       = "DenyPlaintext"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [local.alert_topic_arn]

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

# Each address must confirm by the link in the mail that it gets.
resource "aws_sns_topic_subscription" "alerts" {
  for_each = toset(var.alert_emails)

  topic_arn = aws_sns_topic.alerts.arn
  protocol  = "email"
  endpoint  = each.value
}

# --- composite alarm ----------------------------------------------------------------

# Orders make no progress. Dead letters and breakers are not included: those alarms last until
# somebody acts, and a deployment that waits for this alarm must not wait for that.
resource "aws_cloudwatch_composite_alarm" "orders" {
  alarm_name        = "${local.name}-orders-do-not-move"
  alarm_description = "Customers cannot place orders, or orders make no progress. The alarms that it combines show where."
  alarm_actions     = [aws_sns_topic.alerts.arn]
  ok_actions        = [aws_sns_topic.alerts.arn]
  alarm_rule        = join(" OR ", [for alarm in local.orders_stand_still : "ALARM(\"${alarm.alarm_name}\")"])

  lifecycle {
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
    precondition {
      condition     = length(local.orders_stand_still) <= 100
      error_message = "alarms: a composite alarm combines at most 100 alarms, and this map needs ${length(local.orders_stand_still)}."
    }
  }
}

locals {
  orders_stand_still = concat(
    [aws_cloudwatch_metric_alarm.api_errors, aws_cloudwatch_metric_alarm.outbox_age],
    values(aws_cloudwatch_metric_alarm.stuck),
    values(aws_cloudwatch_metric_alarm.missing_tasks),
  )
}
