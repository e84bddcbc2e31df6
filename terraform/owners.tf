# A topic for each owner of a service on the map. The alarms of a service notify its owner, and the
# alert topic, which has all alarms.

locals {
  owners           = toset([for service in local.services : service.owner])
  owner_topics     = { for owner in local.owners : owner => "${local.alert_topic_name}-${owner}" }
  owner_topic_arns = { for owner, topic in local.owner_topics : owner => "arn:${local.partition}:sns:${var.region}:${local.account_id}:${topic}" }
  owner_subscriptions = merge([
    for owner, each in var.owner_alerts : merge(
      { for email in each.emails : "${owner} ${email}" => { owner = owner, protocol = "email", endpoint = email } },
      { for url in each.urls : "${owner} ${url}" => { owner = owner, protocol = "https", endpoint = url } },
    ) if contains(local.owners, owner) # rules.tf reports the others
  ]...)
  # Several services can share a table.
  table_owners = {
    for table in keys(local.topology.tables) :
    table => join(" ", sort(distinct([for service in local.services : service.owner if service.table == table])))
  }
}

resource "aws_sns_topic" "owner" {
  #checkov:skip=CKV_AWS_26:CloudWatch cannot publish with SNS's own key, and alerts hold only names and numbers
  for_each = local.owner_topics

  name              = each.value
  kms_master_key_id = var.customer_managed_key ? aws_kms_key.messaging["this"].arn : null
  tags              = { Owner = each.key }
}

resource "aws_sns_topic_policy" "owner" {
  for_each = aws_sns_topic.owner

  arn    = each.value.arn
  policy = data.aws_iam_policy_document.owner_topic[each.key].json
}

data "aws_iam_policy_document" "owner_topic" {
  for_each = local.owner_topic_arns

  statement {
    sid       = "AlarmsTell"
    actions   = ["sns:Publish"]
    resources = [each.value]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
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

# An address must confirm by the link in the mail that it gets. A pager confirms by itself.
resource "aws_sns_topic_subscription" "owner" {
  for_each = local.owner_subscriptions

  topic_arn              = aws_sns_topic.owner[each.value.owner].arn
  protocol               = each.value.protocol
  endpoint               = each.value.endpoint
  endpoint_auto_confirms = each.value.protocol == "https"
}
