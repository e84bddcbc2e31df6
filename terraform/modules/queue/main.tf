# The SQS and SNS resources of one consumer: its queue, the dead-letter queue, the queue of messages
# that SNS could not deliver, and the subscription with its filter.
#
# Policies are inline and ARNs are built from names, so no queue exists without its policy. It also
# saves time: the provider waits 25 s after each write to a queue.

locals {
  suffix = var.fifo ? ".fifo" : ""
  names = {
    queue       = "${var.name}${local.suffix}"
    dlq         = "${var.name}-dlq${local.suffix}"
    undelivered = "${var.name}-undelivered${local.suffix}"
  }
  arns = { for kind, name in local.names : kind => "${var.arn_prefix}:${name}" }
}

resource "aws_sqs_queue" "this" {
  name                              = local.names.queue
  deduplication_scope               = var.fifo ? "messageGroup" : null
  fifo_queue                        = var.fifo
  fifo_throughput_limit             = var.fifo ? "perMessageGroupId" : null
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 300
  kms_master_key_id                 = var.kms_key_arn
  message_retention_seconds         = var.retention
  policy                            = data.aws_iam_policy_document.this["queue"].json
  receive_wait_time_seconds         = 20
  sqs_managed_sse_enabled           = var.kms_key_arn == null ? true : null
  tags                              = var.tags
  visibility_timeout_seconds        = var.visibility_timeout

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dlq.arn
    maxReceiveCount     = var.max_receive_count
  })
}

resource "aws_sqs_queue" "dlq" {
  name                              = local.names.dlq
  deduplication_scope               = var.fifo ? "messageGroup" : null
  fifo_queue                        = var.fifo
  fifo_throughput_limit             = var.fifo ? "perMessageGroupId" : null
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 300
  kms_master_key_id                 = var.kms_key_arn
  message_retention_seconds         = var.dlq_retention
  policy                            = data.aws_iam_policy_document.this["dlq"].json
  sqs_managed_sse_enabled           = var.kms_key_arn == null ? true : null
  tags                              = var.tags

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.arns.queue]
  })
}

# Separate from the dead-letter queue, because these messages never reached a worker and carry no
# reason.
resource "aws_sqs_queue" "undelivered" {
  name                              = local.names.undelivered
  deduplication_scope               = var.fifo ? "messageGroup" : null
  fifo_queue                        = var.fifo
  fifo_throughput_limit             = var.fifo ? "perMessageGroupId" : null
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 300
  kms_master_key_id                 = var.kms_key_arn
  message_retention_seconds         = var.dlq_retention
  policy                            = data.aws_iam_policy_document.this["undelivered"].json
  sqs_managed_sse_enabled           = var.kms_key_arn == null ? true : null
  tags                              = var.tags

  redrive_allow_policy = jsonencode({ redrivePermission = "denyAll" }) # does not apply to SNS
}

resource "aws_sns_topic_subscription" "this" {
  topic_arn            = var.topic_arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.this.arn
  filter_policy        = jsonencode({ eventType = sort(var.consumes) })
  filter_policy_scope  = "MessageAttributes"
  raw_message_delivery = true
  redrive_policy       = jsonencode({ deadLetterTargetArn = aws_sqs_queue.undelivered.arn })
}
