# Who is told when something is wrong: the alert topic, and one light for the whole.

locals {
  alert_topic_name = "${local.name}-alerts"
  # By name, as the ARNs of locals.tf.
  alert_topic_arn = "arn:${local.partition}:sns:${var.region}:${local.account_id}:${local.alert_topic_name}"
}

resource "aws_sns_topic" "alerts" {
  #checkov:skip=CKV_AWS_26:without a key of this account CloudWatch could not publish: SNS's own key does not let it. Alerts hold names and numbers
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

# Each address has to confirm, by the link in the mail it gets.
resource "aws_sns_topic_subscription" "alerts" {
  for_each = toset(var.alert_emails)

  topic_arn = aws_sns_topic.alerts.arn
  protocol  = "email"
  endpoint  = each.value
}

# --- one light ----------------------------------------------------------------

# Orders do not move. Dead letters and breakers are not in it: they stay until somebody has looked,
# and a deployment that waits for this light must not wait for that.
resource "aws_cloudwatch_composite_alarm" "orders" {
  alarm_name        = "${local.name}-orders-do-not-move"
  alarm_description = "Customers cannot order, or orders are not followed up. The alarms below it say where."
  alarm_actions     = [aws_sns_topic.alerts.arn]
  ok_actions        = [aws_sns_topic.alerts.arn]
  alarm_rule        = join(" OR ", [for alarm in local.orders_stand_still : "ALARM(\"${alarm.alarm_name}\")"])

  lifecycle {
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
    precondition {
      condition     = length(local.orders_stand_still) <= 100
      error_message = "alarms: a composite alarm takes 100 others; this map has ${length(local.orders_stand_still)} for it."
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
