# The topic delivers every event to Amazon Data Firehose, which writes it to the archive's bucket by
# the day on which it occurred and by its type. workers/aws/archive.py has the same layout; a test
# compares the two.

locals {
  archive_stream_arn = "arn:${local.partition}:firehose:${var.region}:${local.account_id}:deliverystream/${local.archive_name}"
  archive_lost       = "${local.name_prefix}archive-undelivered"
  archive_lost_arn   = "${local.sqs_arn}:${local.archive_lost}"
  archive_log_group  = "/aws/kinesisfirehose/${local.archive_name}"
  archive_log_stream = "S3Delivery"
  # A reference is an array, whose key starts with day and type (workers/pointer.py).
  archive_query_references = "{day:(.occurredAt? // .[1].s3Key)[0:10],type:(.eventType? // (.[1].s3Key|split(\"/\")[1]))}"
  archive_buffer           = 300 # s; Firehose may take 1.5 times that: https://docs.aws.amazon.com/firehose/latest/dev/buffering.html
}

resource "aws_kinesis_firehose_delivery_stream" "archive" {
  #checkov:skip=CKV_AWS_241:events stay in the stream for minutes; Firehose's own key encrypts them there
  for_each = local.archive

  name        = local.archive_name
  destination = "extended_s3"

  server_side_encryption {
    enabled  = true
    key_type = "AWS_OWNED_CMK"
  }

  extended_s3_configuration {
    bucket_arn          = aws_s3_bucket.archive[each.key].arn
    role_arn            = aws_iam_role.archive_writer[each.key].arn
    prefix              = "events/day=!{partitionKeyFromQuery:day}/type=!{partitionKeyFromQuery:type}/"
    error_output_prefix = "errors/!{firehose:error-output-type}/"
    buffering_interval  = local.archive_buffer
    buffering_size      = 64 # MiB, the least with dynamic partitioning
    compression_format  = "GZIP"
    file_extension      = ".gz"

    dynamic_partitioning_configuration {
      enabled        = true
      retry_duration = 7200 # s, the longest
    }

    processing_configuration {
      enabled = true

      processors {
        type = "MetadataExtraction"

        parameters {
          parameter_name  = "JsonParsingEngine"
          parameter_value = "JQ-1.6"
        }
        parameters {
          parameter_name  = "MetadataExtractionQuery"
          parameter_value = var.large_payloads ? local.archive_query_references : "{day:.occurredAt[0:10],type:.eventType}"
        }
      }

      # Athena needs an event per line. SNS may add a line break too; readers skip blank lines.
      processors {
        type = "AppendDelimiterToRecord"

        parameters {
          parameter_name  = "Delimiter"
          parameter_value = "\\n"
        }
      }
    }

    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.archive[each.key].name
      log_stream_name = aws_cloudwatch_log_stream.archive[each.key].name
    }
  }

  depends_on = [aws_iam_role_policy.archive_writer]
}

# Firehose logs only what it cannot deliver.
resource "aws_cloudwatch_log_group" "archive" {
  #checkov:skip=CKV_AWS_158:encrypted by CloudWatch's own key; the lines hold errors, no events
  #checkov:skip=CKV_AWS_338:var.log_retention_days sets the retention; each environment decides
  for_each = local.archive

  name              = local.archive_log_group
  retention_in_days = var.log_retention_days
}

resource "aws_cloudwatch_log_stream" "archive" {
  for_each = local.archive

  name           = local.archive_log_stream
  log_group_name = aws_cloudwatch_log_group.archive[each.key].name
}

resource "aws_iam_role" "archive_writer" {
  for_each = local.archive

  name                 = "${local.name}-archive-writer"
  description          = "Firehose writes events to the archive"
  assume_role_policy   = data.aws_iam_policy_document.firehose_assumes.json
  permissions_boundary = local.permissions_boundary
}

# Firehose sends the account as the external ID.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CreateFirehoseStream.html
data "aws_iam_policy_document" "firehose_assumes" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["firehose.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [local.account_id]
    }
  }
}

resource "aws_iam_role_policy" "archive_writer" {
  for_each = local.archive

  name   = "write"
  role   = aws_iam_role.archive_writer[each.key].name
  policy = data.aws_iam_policy_document.archive_writer.json
}

# https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html#using-iam-s3
data "aws_iam_policy_document" "archive_writer" {
  statement {
    sid       = "Bucket"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [local.archive_arn]
  }

  statement {
    sid       = "Files"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = ["${local.archive_arn}/events/*", "${local.archive_arn}/errors/*"]
  }

  statement {
    sid       = "Errors"
    actions   = ["logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:${local.archive_log_group}:log-stream:${local.archive_log_stream}"]
  }

  dynamic "statement" {
    for_each = local.messaging_key_arns

    content {
      sid       = "Key"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["s3.${var.region}.amazonaws.com"]
      }
    }
  }
}

# --- the subscription ---------------------------------------------------------

# Raw delivery: the body, byte for byte, and no attributes. No filter: also events of a type that
# nobody consumes.
resource "aws_sns_topic_subscription" "archive" {
  for_each = local.archive

  topic_arn             = aws_sns_topic.this.arn
  protocol              = "firehose"
  endpoint              = aws_kinesis_firehose_delivery_stream.archive[each.key].arn
  raw_message_delivery  = true
  redrive_policy        = jsonencode({ deadLetterTargetArn = aws_sqs_queue.archive_lost[each.key].arn })
  subscription_role_arn = aws_iam_role.archive_topic[each.key].arn

  # SNS tests that it can put records.
  depends_on = [aws_iam_role_policy.archive_topic]

  lifecycle {
    precondition {
      # https://docs.aws.amazon.com/sns/latest/dg/fifo-message-delivery.html
      condition     = !local.fifo
      error_message = "archive: SNS delivers a FIFO topic to queues only, not to Firehose. Set archive = false, or fifo to false on the map."
    }
  }
}

resource "aws_iam_role" "archive_topic" {
  for_each = local.archive

  name                 = "${local.name}-archive-topic"
  description          = "SNS delivers events to the archive"
  assume_role_policy   = data.aws_iam_policy_document.archive_topic_assumes.json
  permissions_boundary = local.permissions_boundary
}

# As in AWS's documentation, without a condition: AWS does not state which keys SNS sends here.
data "aws_iam_policy_document" "archive_topic_assumes" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "archive_topic" {
  for_each = local.archive

  name   = "deliver"
  role   = aws_iam_role.archive_topic[each.key].name
  policy = data.aws_iam_policy_document.archive_topic.json
}

# https://docs.aws.amazon.com/sns/latest/dg/prereqs-kinesis-data-firehose.html
data "aws_iam_policy_document" "archive_topic" {
  statement {
    actions = [
      "firehose:DescribeDeliveryStream", "firehose:ListDeliveryStreams", "firehose:ListTagsForDeliveryStream",
      "firehose:PutRecord", "firehose:PutRecordBatch",
    ]
    resources = [local.archive_stream_arn]
  }
}

# What SNS could not deliver in 23 days of retries, or may not deliver.
resource "aws_sqs_queue" "archive_lost" {
  for_each = local.archive

  name                              = local.archive_lost
  kms_data_key_reuse_period_seconds = var.customer_managed_key ? 300 : null
  kms_master_key_id                 = one([for key in aws_kms_key.messaging : key.arn])
  message_retention_seconds         = 1209600
  policy                            = data.aws_iam_policy_document.archive_lost.json
  sqs_managed_sse_enabled           = var.customer_managed_key ? null : true
}

data "aws_iam_policy_document" "archive_lost" {
  statement {
    sid       = "TopicDelivers"
    actions   = ["sqs:SendMessage"]
    resources = [local.archive_lost_arn]

    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.topic_arn]
    }
  }

  statement {
    sid       = "DenyPlaintext"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [local.archive_lost_arn]

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

# --- alarms -------------------------------------------------------------------

locals {
  # https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-metrics.html
  archive_alarms = {
    late = {
      namespace  = "AWS/Firehose", metric = "DeliveryToS3.DataFreshness", statistic = "Maximum"
      dimensions = { DeliveryStreamName = local.archive_name }
    }
    errors = {
      namespace  = "AWS/Logs", metric = "IncomingLogEvents", statistic = "Sum"
      dimensions = { LogGroupName = local.archive_log_group }
    }
    undelivered = {
      namespace  = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", statistic = "Maximum"
      dimensions = { QueueName = local.archive_lost }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "archive" {
  for_each = { for key, alarm in local.archive_alarms : key => alarm if var.archive }

  alarm_name          = "${local.name}-archive-${each.key}"
  alarm_description   = local.alarm_texts["archive-${each.key}"][local.relay]
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.alarm_list["archive-${each.key}"].threshold
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching" # without events there is no data
  alarm_actions       = local.alarm_actions_of[local.relay]
  ok_actions          = local.alarm_actions_of[local.relay]
  tags                = { Owner = local.services[local.relay].owner }
}

# A share of successful deliveries, which is 1 or there is none.
resource "aws_cloudwatch_metric_alarm" "archive_failed" {
  for_each = local.archive

  alarm_name          = "${local.name}-archive-failed"
  alarm_description   = local.alarm_texts["archive-failed"][local.relay]
  namespace           = "AWS/Firehose"
  metric_name         = "DeliveryToS3.Success"
  dimensions          = { DeliveryStreamName = local.archive_name }
  statistic           = "Average"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions_of[local.relay]
  ok_actions          = local.alarm_actions_of[local.relay]
  tags                = { Owner = local.services[local.relay].owner }
}
