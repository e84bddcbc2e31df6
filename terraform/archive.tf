# The archive of every event: the bucket. archive_delivery.tf fills it, archive_query.tf has the table
# for Athena. `workers replay` reads it. The events hold addresses of customers, so the bucket is read
# by operators only, expires, and can be erased from: it has versions, but no lock.

locals {
  archive        = toset(var.archive ? ["this"] : [])
  archive_name   = "${local.name}-archive"
  archive_bucket = "${local.dns_name}-archive"
  archive_arn    = "arn:${local.partition}:s3:::${local.archive_bucket}"
}

resource "aws_s3_bucket" "archive" {
  #checkov:skip=CKV_AWS_18:the audit (audit.tf) and workers audit say who read it; a log of its own would cost more than it
  #checkov:skip=CKV_AWS_144:the account decides on copies in other regions
  #checkov:skip=CKV_AWS_145:var.customer_managed_key decides, as for topic and queues
  #checkov:skip=CKV2_AWS_62:nothing waits for new files
  for_each = local.archive

  bucket        = local.archive_bucket
  force_destroy = !var.deletion_protection
}

resource "aws_s3_bucket_public_access_block" "archive" {
  for_each = local.archive

  bucket                  = aws_s3_bucket.archive[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "archive" {
  for_each = local.archive

  bucket = aws_s3_bucket.archive[each.key].id

  rule {
    bucket_key_enabled = var.customer_managed_key ? true : null

    apply_server_side_encryption_by_default {
      kms_master_key_id = one([for key in aws_kms_key.messaging : key.arn])
      sse_algorithm     = var.customer_managed_key ? "aws:kms" : "AES256"
    }
  }
}

resource "aws_s3_bucket_versioning" "archive" {
  for_each = local.archive

  bucket = aws_s3_bucket.archive[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "archive" {
  for_each = local.archive

  bucket = aws_s3_bucket.archive[each.key].id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
    expiration {
      days = var.archive_days
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
  }

  # Of the classes that can be read at once, the cheapest to store. S3 leaves files of less than
  # 128 KB where they are: https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
  rule {
    id     = "cheaper"
    status = "Enabled"

    filter {
      prefix = "events/"
    }
    transition {
      days          = 30
      storage_class = "GLACIER_IR"
    }
  }

  rule {
    id     = "results"
    status = "Enabled"

    filter {
      prefix = "athena/"
    }
    expiration {
      days = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.archive]
}

resource "aws_s3_bucket_policy" "archive" {
  for_each = local.archive

  bucket = aws_s3_bucket.archive[each.key].id
  policy = data.aws_iam_policy_document.archive.json

  depends_on = [aws_s3_bucket_public_access_block.archive]
}

data "aws_iam_policy_document" "archive" {
  statement {
    sid       = "DenyPlaintext"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.archive_arn, "${local.archive_arn}/*"]

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
