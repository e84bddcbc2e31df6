# Plans everything for a map with FIFO topic and queues. Offline, like queue.tftest.hcl.

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

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

# the registry has the image of every tag
override_data {
  target = data.aws_ecr_image.worker
  values = { image_digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
}

override_data {
  target = data.aws_partition.current
  values = { partition = "aws" }
}

override_resource {
  target          = aws_sns_topic.this
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-west-1:123456789012:dev-order-events.fifo" }
}

override_resource {
  target          = aws_ecs_cluster.this
  override_during = plan
  values          = { arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/dev-order-pipeline" }
}

# these tasks run
override_data {
  target = data.aws_ecs_service.running
  values = { task_definition = "arn:aws:ecs:eu-west-1:123456789012:task-definition/dev-payment:7" }
}

override_data {
  target = data.aws_ecs_container_definition.running
  values = { image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/dev-order-pipeline@sha256:running" }
}

override_resource {
  target          = aws_sesv2_configuration_set.this
  override_during = plan
  values          = { arn = "arn:aws:ses:eu-west-1:123456789012:configuration-set/dev-order-pipeline" }
}

variables {
  environment      = "dev"
  image_tag        = "v1"
  sender_email     = "orders@example.com"
  operations_email = "operations@example.com"
  topology_file    = "tests/maps/fifo.json"
  archive          = false
}

run "topic_and_queues_keep_order" {
  command = plan

  assert {
    condition     = aws_sns_topic.this.fifo_topic && aws_sns_topic.this.name == "dev-order-events.fifo" && aws_sns_topic.this.fifo_throughput_scope == "MessageGroup"
    error_message = "not a FIFO topic with high throughput"
  }

  # SNS and SQS know a FIFO queue by the suffix of its name, which comes last
  assert {
    condition = module.queue["payment"].name == "dev-payment-queue.fifo" && (
      module.queue["payment"].dlq_name == "dev-payment-queue-dlq.fifo" &&
      module.queue["payment"].undelivered_name == "dev-payment-queue-undelivered.fifo"
    )
    error_message = "names of FIFO queues end in .fifo"
  }
  assert {
    condition     = module.queue["payment"].arn == "arn:aws:sqs:eu-west-1:123456789012:dev-payment-queue.fifo" && endswith(module.queue["payment"].dlq_arn, "-queue-dlq.fifo")
    error_message = "policies name other queues than the module makes"
  }
  assert {
    condition     = contains(flatten([for right in local.endpoint_rights["sqs"] : right.resources]), module.queue["payment"].dlq_arn)
    error_message = "the endpoint of the VPC does not let dead letters through"
  }
  assert {
    condition     = contains(local.dead_letter_arns["undelivered"], module.queue["payment"].undelivered_arn)
    error_message = "operators have no right to look at what SNS could not deliver"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.undelivered["payment"].dimensions.QueueName == "dev-payment-queue-undelivered.fifo"
    error_message = "an alarm watches a queue that does not exist"
  }
}

run "a_fifo_topic_has_no_archive" {
  command = plan

  variables {
    archive = true
  }

  expect_failures = [aws_sns_topic_subscription.archive]
}
