# CloudTrail shows who touched which message (data events of queues and topic) and who changed what
# (management events). It is optional: each receive, send, delete and publish is an event that costs
# money, and accounts often have a trail of management events already, of which the first copy is free.

locals {
  audit       = toset(var.audit_queues ? ["this"] : [])
  audit_name  = "${local.name}-audit"
  bucket_name = "${local.dns_name}-audit"
  bucket_arn  = "arn:${local.partition}:s3:::${local.bucket_name}"
  trail_arn   = "arn:${local.partition}:cloudtrail:${var.region}:${local.account_id}:trail/${local.audit_name}"
}

resource "aws_cloudtrail" "audit" {
  #checkov:skip=CKV_AWS_35:encrypted by S3's own key; the log says who and when, and holds no message
  #checkov:skip=CKV_AWS_67:the queues are in this region
  #checkov:skip=CKV_AWS_252:read only on demand
  #checkov:skip=CKV2_AWS_10:read only on demand, so the bucket is enough; a copy in CloudWatch would cost more
  for_each = local.audit

  name                          = local.audit_name
  s3_bucket_name                = aws_s3_bucket.audit[each.key].id
  enable_log_file_validation    = true
  include_global_service_events = true # changes of roles
  is_multi_region_trail         = false

  advanced_event_selector {
    name = "Sends, receives and deletes of the queues"

    field_selector {
      field  = "eventCategory"
      equals = ["Data"]
    }
    field_selector {
      field  = "resources.type"
      equals = ["AWS::SQS::Queue"]
    }
    # The names of the queues are also the prefixes of the dead-letter and undelivered queues.
    field_selector {
      field       = "resources.ARN"
      starts_with = [for name in sort(values(local.queue_names)) : "${local.sqs_arn}:${name}"]
    }
  }

  advanced_event_selector {
    name = "Publishes to the topic"

    field_selector {
      field  = "eventCategory"
      equals = ["Data"]
    }
    field_selector {
      field  = "resources.type"
      equals = ["AWS::SNS::Topic"]
    }
    field_selector {
      field  = "resources.ARN"
      equals = [local.topic_arn]
    }
  }

  advanced_event_selector {
    name = "Changes of this account"

    field_selector {
      field  = "eventCategory"
      equals = ["Management"]
    }
    # Reads would be most of the events: Terraform and ECS read all the time.
    field_selector {
      field  = "readOnly"
      equals = ["false"]
    }
  }

  # CloudTrail tests that it can write to the bucket.
  depends_on = [aws_s3_bucket_policy.audit]
}

resource "aws_s3_bucket" "audit" {
  #checkov:skip=CKV_AWS_18:the bucket of the log needs no log of its own
  #checkov:skip=CKV_AWS_144:the account decides on copies in other regions, as for its other trails
  #checkov:skip=CKV_AWS_145:encrypted by S3's own key; the log says who and when, and holds no message
  #checkov:skip=CKV2_AWS_62:nothing waits for new files
  for_each = local.audit

  bucket        = local.bucket_name
  force_destroy = !var.deletion_protection
}

resource "aws_s3_bucket_public_access_block" "audit" {
  for_each = local.audit

  bucket                  = aws_s3_bucket.audit[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "audit" {
  for_each = local.audit

  bucket = aws_s3_bucket.audit[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "audit" {
  for_each = local.audit

  bucket = aws_s3_bucket.audit[each.key].id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
    expiration {
      days = 365
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
  }

  depends_on = [aws_s3_bucket_versioning.audit]
}

resource "aws_s3_bucket_policy" "audit" {
  for_each = local.audit

  bucket = aws_s3_bucket.audit[each.key].id
  policy = data.aws_iam_policy_document.audit.json

  depends_on = [aws_s3_bucket_public_access_block.audit]
}

data "aws_iam_policy_document" "audit" {
  # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
  dynamic "statement" {
    for_each = {
      "s3:GetBucketAcl" = local.bucket_arn
      "s3:PutObject"    = "${local.bucket_arn}/AWSLogs/${local.account_id}/*"
    }

    content {
      sid       = "Trail${split(":", statement.key)[1]}"
      actions   = [statement.key]
      resources = [statement.value]

      principals {
        type        = "Service"
        identifiers = ["cloudtrail.amazonaws.com"]
      }
      condition {
        test     = "StringEquals"
        variable = "aws:SourceArn"
        values   = [local.trail_arn]
      }
    }
  }

  statement {
    sid       = "DenyPlaintext"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.bucket_arn, "${local.bucket_arn}/*"]

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
