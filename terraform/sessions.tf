# The log of ECS Exec's sessions: each command and its output. They may show what no other log does, so the
# group has a key of its own. Only development can turn ECS Exec on.

locals {
  sessions        = toset(var.enable_execute_command ? ["this"] : [])
  session_log     = "${local.log_group_prefix}sessions"
  session_log_arn = "arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:${local.session_log}"
}

resource "aws_cloudwatch_log_group" "sessions" {
  #checkov:skip=CKV_AWS_338:var.log_retention_days sets the retention; each environment decides
  for_each = local.sessions

  name              = local.session_log
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.sessions[each.key].arn
}

resource "aws_kms_key" "sessions" {
  for_each = local.sessions

  description             = "Sessions of ECS Exec in ${local.name}"
  deletion_window_in_days = 30
  enable_key_rotation     = true
  policy                  = data.aws_iam_policy_document.session_key[each.key].json
}

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
data "aws_iam_policy_document" "session_key" {
  #checkov:skip=CKV_AWS_109:in the policy of a key, * is this key
  #checkov:skip=CKV_AWS_111:in the policy of a key, * is this key
  #checkov:skip=CKV_AWS_356:in the policy of a key, * is this key
  for_each = local.sessions

  statement {
    sid       = "AccountDecides"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account_id}:root"]
    }
  }

  statement {
    sid       = "LogIsEncrypted"
    actions   = ["kms:Decrypt*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${var.region}.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = [local.session_log_arn]
    }
  }
}
