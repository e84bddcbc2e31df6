# The rights of `workers doctor`: it reads configuration, and nothing that a customer sent. In a policy
# of its own, because some of its actions know no resource.

resource "aws_iam_role_policy" "operator_doctor" {
  #checkov:skip=CKV_AWS_355:GetSubscriptionAttributes and GetMetricStatistics know no resource, and DescribeAlarms needs all for composite alarms
  for_each = local.operator_role

  name   = "doctor"
  role   = aws_iam_role.operator[each.key].name
  policy = data.aws_iam_policy_document.operator_doctor[each.key].json
}

data "aws_iam_policy_document" "operator_doctor" {
  #checkov:skip=CKV_AWS_356:GetSubscriptionAttributes and GetMetricStatistics know no resource, and DescribeAlarms needs all for composite alarms
  for_each = local.operator_role

  statement {
    sid       = "ExamineTopic"
    actions   = ["sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"]
    resources = [local.topic_arn]
  }

  statement {
    sid       = "ExamineTables"
    actions   = ["dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"]
    resources = values(local.table_arns)
  }

  dynamic "statement" {
    for_each = local.payloads

    content {
      sid       = "ExaminePayloads"
      actions   = ["s3:GetLifecycleConfiguration"]
      resources = [local.payloads_arn]
    }
  }

  # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html
  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
  statement {
    sid       = "ExamineSubscriptionsAndAlarms"
    actions   = ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricStatistics", "sns:GetSubscriptionAttributes"]
    resources = ["*"]
  }
}
