# The archive of events. tests/infra replays events from it.

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

override_data {
  target = data.aws_ecr_image.worker
  values = { image_digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
}

override_data {
  target = data.aws_partition.current
  values = { partition = "aws" }
}

variables {
  environment      = "dev"
  image_tag        = "v1"
  sender_email     = "orders@example.com"
  operations_email = "operations@example.com"
}

run "events_are_archived_by_default_and_kept_as_the_layout_says" {
  command = plan

  assert {
    condition     = aws_s3_bucket.archive["this"].bucket == "dev-order-pipeline-123456789012-archive"
    error_message = "workers replay looks for another bucket"
  }
  assert {
    condition     = aws_sns_topic_subscription.archive["this"].raw_message_delivery && aws_sns_topic_subscription.archive["this"].filter_policy == null
    error_message = "the archive does not get every event byte for byte"
  }
  assert {
    # https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-enable.html
    condition     = aws_kinesis_firehose_delivery_stream.archive["this"].extended_s3_configuration[0].buffering_size >= 64
    error_message = "Firehose refuses dynamic partitioning with a smaller buffer"
  }
  assert {
    condition     = aws_glue_catalog_table.archive["this"].parameters["storage.location.template"] == "s3://dev-order-pipeline-123456789012-archive/events/day=$${day}/type=$${type}/"
    error_message = "Athena looks in the wrong place"
  }
}

run "without_the_archive_nothing_of_it_is_left" {
  command = plan

  variables {
    archive   = false
    operators = ["arn:aws:iam::123456789012:role/on-call"]
  }

  assert {
    condition     = length(aws_s3_bucket.archive) + length(aws_sns_topic_subscription.archive) + length(aws_cloudwatch_metric_alarm.archive) + length(aws_athena_named_query.archive) == 0
    error_message = "parts of the archive are left"
  }
  assert {
    condition     = output.archive == null && !strcontains(aws_iam_role_policy.operator["this"].policy, "s3:")
    error_message = "operators have rights to an archive that is not there"
  }
}

run "events_must_be_kept_for_as_long_as_counters_are_shown" {
  command = plan

  variables {
    archive_days = 30
  }

  expect_failures = [var.archive_days]
}
