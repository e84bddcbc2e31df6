# The bucket of events that do not fit into a message, if var.large_payloads is set. Services that
# publish store them, services that consume read them (workers/runtime/payloads.py). They hold what
# events hold, addresses included. Nothing deletes an object when its message is handled: other
# services, redrives and replays read it later, and it expires.

locals {
  payloads        = toset(var.large_payloads ? ["this"] : [])
  payloads_bucket = "${local.dns_name}-payloads"
  payloads_arn    = "arn:${local.partition}:s3:::${local.payloads_bucket}"

  # Days; EXPIRY_DAYS in workers/runtime/payloads.py says why, and decides by it what has expired.
  payloads_days = 120

  # The rights of each service: order-api stores nothing, because it refuses bodies that large.
  payloads_rights = {
    for name, service in local.services : name => {
      arn  = local.payloads_arn
      get  = length(service.consumes) > 0
      put  = length(service.consumes) > 0 && length(service.publishes) > 0
      name = local.payloads_bucket
    } if var.large_payloads && length(service.consumes) > 0
  }
}

resource "aws_s3_bucket" "payloads" {
  #checkov:skip=CKV_AWS_18:the audit (audit.tf) says who read messages; a log of its own would cost more than the objects
  #checkov:skip=CKV_AWS_21:a key has the digest of its object, so no object is ever replaced by another
  #checkov:skip=CKV_AWS_144:an object is as short-lived as its message, which is in one region too
  #checkov:skip=CKV_AWS_145:var.customer_managed_key decides, as for topic and queues
  #checkov:skip=CKV2_AWS_62:nothing waits for new objects
  for_each = local.payloads

  bucket        = local.payloads_bucket
  force_destroy = !var.deletion_protection
}

resource "aws_s3_bucket_public_access_block" "payloads" {
  for_each = local.payloads

  bucket                  = aws_s3_bucket.payloads[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "payloads" {
  for_each = local.payloads

  bucket = aws_s3_bucket.payloads[each.key].id

  rule {
    bucket_key_enabled = var.customer_managed_key ? true : null

    apply_server_side_encryption_by_default {
      kms_master_key_id = one([for key in aws_kms_key.messaging : key.arn])
      sse_algorithm     = var.customer_managed_key ? "aws:kms" : "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "payloads" {
  for_each = local.payloads

  bucket = aws_s3_bucket.payloads[each.key].id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
    expiration {
      days = local.payloads_days
    }
  }
}

resource "aws_s3_bucket_policy" "payloads" {
  for_each = local.payloads

  bucket = aws_s3_bucket.payloads[each.key].id
  policy = data.aws_iam_policy_document.payloads.json

  depends_on = [aws_s3_bucket_public_access_block.payloads]
}

data "aws_iam_policy_document" "payloads" {
  statement {
    sid       = "DenyPlaintext"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.payloads_arn, "${local.payloads_arn}/*"]

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
