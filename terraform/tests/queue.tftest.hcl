# The SQS and SNS resources of a consumer. This uses the real provider, so policies are rendered. It
# is configured to call no API, and a plan needs none.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "offline"
  secret_key                  = "offline"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

provider "aws" {
  alias                       = "us_east_1"
  region                      = "us-east-1"
  access_key                  = "offline"
  secret_key                  = "offline"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  name               = "dev-payment-queue"
  arn_prefix         = "arn:aws:sqs:eu-west-1:123456789012"
  topic_arn          = "arn:aws:sns:eu-west-1:123456789012:dev-order-events"
  consumes           = ["order.created", "order.cancelled"]
  visibility_timeout = 90
  max_receive_count  = 5
  retention          = 345600
  dlq_retention      = 1209600
  consumer_role_arn  = "arn:aws:iam::123456789012:role/dev-payment-task"
  operator_role_arn  = "arn:aws:iam::123456789012:role/operator"
}

run "the_queues_of_a_consumer" {
  command = plan
  module { source = "./modules/queue" }

  # dead letters are kept longer than messages
  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.dlq, aws_sqs_queue.undelivered] : queue.message_retention_seconds > aws_sqs_queue.this.message_retention_seconds])
    error_message = "a dead-letter queue deletes messages too early"
  }

  # queues are encrypted and use long polling
  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.this, aws_sqs_queue.dlq, aws_sqs_queue.undelivered] : queue.sqs_managed_sse_enabled])
    error_message = "a queue without encryption"
  }
  assert {
    condition     = aws_sqs_queue.this.receive_wait_time_seconds == 20 && aws_sqs_queue.this.visibility_timeout_seconds == 90
    error_message = "short polling, or not the visibility timeout of the map"
  }

  # the filter lets through only the events that the service consumes
  assert {
    condition     = jsondecode(aws_sns_topic_subscription.this.filter_policy) == { eventType = ["order.cancelled", "order.created"] }
    error_message = "not the events that the service consumes"
  }
  assert {
    condition     = aws_sns_topic_subscription.this.filter_policy_scope == "MessageAttributes" && aws_sns_topic_subscription.this.raw_message_delivery
    error_message = "the filter must use attributes, and delivery must be raw"
  }

  # only the topic and operators may send to the queue
  assert {
    condition = [
      for each in jsondecode(output.policies.queue).Statement : each if each.Effect == "Allow"
      ] == [{
        Sid       = "TopicDelivers"
        Effect    = "Allow"
        Action    = "sqs:SendMessage"
        Principal = { Service = "sns.amazonaws.com" }
        Resource  = "arn:aws:sqs:eu-west-1:123456789012:dev-payment-queue"
        Condition = { ArnEquals = { "aws:SourceArn" = var.topic_arn } }
    }]
    error_message = "not only the topic is allowed"
  }
  assert {
    condition = one([for each in jsondecode(output.policies.queue).Statement : each.Condition.ArnNotEquals if each.Sid == "DenyOtherSenders" && each.Effect == "Deny" && each.Action == "sqs:SendMessage"]) == {
      "aws:SourceArn"    = var.topic_arn
      "aws:PrincipalArn" = var.operator_role_arn
    }
    error_message = "not everyone but the topic and the operators is denied"
  }

  # only the consumer and operators may send dead letters
  assert {
    condition     = length([for each in jsondecode(output.policies.dlq).Statement : each if each.Effect == "Allow"]) == 0
    error_message = "the policy of the dead-letter queue allows a sender"
  }
  assert {
    condition = one([for each in jsondecode(output.policies.dlq).Statement : each.Condition if each.Sid == "DenyOtherSenders"]) == {
      ArnNotEquals = { "aws:PrincipalArn" = [var.consumer_role_arn, var.operator_role_arn] }
    }
    error_message = "not everyone but the consumer and the operators is denied"
  }

  # only the topic may send to the queue of what it could not deliver
  assert {
    condition = one([for each in jsondecode(output.policies.undelivered).Statement : each.Condition if each.Sid == "DenyOtherSenders"]) == {
      ArnNotEquals = { "aws:SourceArn" = var.topic_arn }
    }
    error_message = "not everyone but the topic is denied"
  }

  # TLS is required
  assert {
    condition = alltrue([
      for policy in values(output.policies) : anytrue([
        for each in jsondecode(policy).Statement :
        each.Effect == "Deny" && each.Action == "sqs:*" && each.Principal == "*" && try(each.Condition.Bool["aws:SecureTransport"], "") == "false"
      ])
    ])
    error_message = "a queue accepts requests without TLS"
  }
}

run "a_customer_managed_key_replaces_that_of_sqs" {
  command = plan
  module { source = "./modules/queue" }

  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.this, aws_sqs_queue.dlq, aws_sqs_queue.undelivered] : queue.kms_master_key_id == var.kms_key_arn])
    error_message = "a queue that is not encrypted with the key"
  }
}

run "without_operators_only_the_topic_may_send" {
  command = plan
  module { source = "./modules/queue" }

  variables {
    operator_role_arn = null
  }

  assert {
    condition = one([for each in jsondecode(output.policies.queue).Statement : each.Condition if each.Sid == "DenyOtherSenders"]) == {
      ArnNotEquals = { "aws:SourceArn" = var.topic_arn }
    }
    error_message = "not everyone but the topic is denied"
  }
}

run "fifo_queues" {
  command = plan
  module { source = "./modules/queue" }

  variables {
    fifo      = true
    topic_arn = "arn:aws:sns:eu-west-1:123456789012:dev-order-events.fifo"
  }

  # a FIFO queue needs FIFO dead-letter queues, and a name with the suffix
  assert {
    condition = alltrue([
      for queue in [aws_sqs_queue.this, aws_sqs_queue.dlq, aws_sqs_queue.undelivered] :
      queue.fifo_queue && endswith(queue.name, ".fifo") && queue.deduplication_scope == "messageGroup" && queue.fifo_throughput_limit == "perMessageGroupId"
    ])
    error_message = "not a FIFO queue with high throughput"
  }
  assert {
    condition     = jsondecode(output.policies.dlq).Statement[0].Resource == "arn:aws:sqs:eu-west-1:123456789012:dev-payment-queue-dlq.fifo"
    error_message = "the policy is that of another queue"
  }
}
