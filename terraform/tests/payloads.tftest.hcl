# The bucket of large events, and who may use it. tests/contract/test_payloads_terraform.py compares
# the numbers with the code.

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
  operators        = ["arn:aws:iam::123456789012:role/on-call"]
}

run "by_default_nothing_knows_of_a_bucket" {
  command = plan

  assert {
    condition     = length(aws_s3_bucket.payloads) == 0 && output.payload_bucket == null
    error_message = "the bucket is there though nobody asked for it"
  }
  assert {
    condition     = alltrue([for environment in values(local.environments) : !contains(keys(environment), "PAYLOAD_BUCKET")])
    error_message = "a service has the setting without the bucket"
  }
  assert {
    condition     = !strcontains(data.aws_iam_policy_document.s3_endpoint.json, "s3:PutObject")
    error_message = "tasks may write to S3"
  }
}

run "large_events_have_a_bucket_that_is_private_encrypted_and_forgets" {
  command = plan

  variables {
    large_payloads = true
  }

  assert {
    condition     = aws_s3_bucket.payloads["this"].bucket == "dev-order-pipeline-123456789012-payloads"
    error_message = "the bucket has another name"
  }
  assert {
    condition     = alltrue([for block in values(aws_s3_bucket_public_access_block.payloads) : block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets])
    error_message = "the bucket may become public"
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.payloads["this"].rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    error_message = "the bucket is not encrypted"
  }
  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_lifecycle_configuration.payloads["this"].rule :
      rule.status == "Enabled" && rule.expiration[0].days == 120 && rule.abort_incomplete_multipart_upload[0].days_after_initiation == 1
    ])
    error_message = "objects do not expire"
  }
  assert {
    condition     = strcontains(aws_s3_bucket_policy.payloads["this"].policy, "aws:SecureTransport")
    error_message = "the bucket answers without TLS"
  }
  assert {
    condition     = strcontains(aws_vpc_endpoint.gateway["s3"].policy, "arn:aws:s3:::dev-order-pipeline-123456789012-payloads/*")
    error_message = "the endpoint of S3 keeps tasks from the bucket"
  }
  assert {
    condition = anytrue(flatten([
      for processor in aws_kinesis_firehose_delivery_stream.archive["this"].extended_s3_configuration[0].processing_configuration[0].processors : [
        for parameter in processor.parameters : strcontains(parameter.parameter_value, "s3Key")
      ]
    ]))
    error_message = "the archive cannot tell day and type of a reference"
  }
}

run "a_service_may_do_to_the_bucket_what_the_map_says" {
  command = plan

  variables {
    large_payloads = true
  }

  assert {
    condition = { for name, rights in local.payloads_rights : name => [rights.get, rights.put] } == {
      analytics    = [true, false]
      inventory    = [true, true]
      notification = [true, false]
      orders       = [true, true]
      payment      = [true, true]
    }
    error_message = "a service has another right than the map says"
  }
  assert {
    condition     = toset([for name, environment in local.environments : name if contains(keys(environment), "PAYLOAD_BUCKET")]) == toset(keys(local.payloads_rights))
    error_message = "a service has the setting without the right, or the other way round"
  }
  assert {
    condition     = strcontains(aws_iam_role_policy.operator["this"].policy, "ReadPayloads") && strcontains(aws_iam_role_policy.operator_doctor["this"].policy, "ExaminePayloads")
    error_message = "operators cannot look into the bucket"
  }
}

run "a_customer_managed_key_encrypts_the_bucket_and_services_may_use_it_there" {
  command = plan

  variables {
    customer_managed_key = true
    large_payloads       = true
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.payloads["this"].rule).apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms"
    error_message = "the bucket has another key than the queues"
  }
}
