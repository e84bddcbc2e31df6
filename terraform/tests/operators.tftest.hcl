# The role of operators. tests/infra/test_operators.py runs their commands as this role.

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

run "without_operators_there_is_no_role" {
  command = plan

  assert {
    condition     = length(aws_iam_role.operator) == 0 && output.operator_role_arn == null
    error_message = "there is a role that nobody may assume"
  }
}

run "only_the_named_principals_may_assume_the_role" {
  command = plan

  variables {
    operators = ["arn:aws:iam::123456789012:role/on-call", "arn:aws:iam::210987654321:user/ada"]
  }

  assert {
    condition = jsondecode(aws_iam_role.operator["this"].assume_role_policy).Statement == [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = ["arn:aws:iam::210987654321:user/ada", "arn:aws:iam::123456789012:role/on-call"] }
    }]
    error_message = "others may assume the role"
  }
  assert {
    condition     = output.operator_role_arn == "arn:aws:iam::123456789012:role/dev-order-pipeline-operator"
    error_message = "the ARN in the policies of the queues is not that of the role"
  }
  assert {
    condition     = aws_iam_role.operator["this"].name == "dev-order-pipeline-operator"
    error_message = "the ARN in the policies of the queues is not that of the role"
  }
  assert {
    condition = [
      for each in jsondecode(aws_iam_role_policy.operator["this"].policy).Statement : each.Sid
      if strcontains(jsonencode([each.Action, each.Resource]), "*")
    ] == ["ReadArchive", "QueueMetrics"] # the files have no fixed names; cloudwatch:GetMetricData has no resource
    error_message = "a right with a wildcard"
  }
}

run "a_customer_managed_key_is_used_through_sqs_and_s3_only" {
  # A policy that names a new key is known after the apply. This one calls no API: the key is
  # overridden, and nothing else is in the target.
  command = apply

  plan_options {
    target = [data.aws_iam_policy_document.operator]
  }

  variables {
    operators            = ["arn:aws:iam::123456789012:role/on-call"]
    customer_managed_key = true
  }

  override_resource {
    target = aws_kms_key.messaging
    values = { arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  }

  assert {
    condition = one([for each in jsondecode(data.aws_iam_policy_document.operator["this"].json).Statement : each if each.Sid == "MessagingKey"]) == {
      Sid       = "MessagingKey"
      Effect    = "Allow"
      Action    = ["kms:GenerateDataKey", "kms:Decrypt"]
      Resource  = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
      Condition = { StringEquals = { "kms:ViaService" = ["sqs.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com"] } }
    }
    error_message = "operators cannot redrive encrypted messages, or replay them"
  }
}

# AWS counts all inline policies of a role together, without white space:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
run "the_policies_of_the_longest_names_and_all_switches_fit_into_a_role" {
  command = plan

  override_resource {
    target          = aws_kms_key.messaging
    override_during = plan
    values          = { arn = "arn:aws:kms:eu-west-1:123456789012:key/12345678-1234-1234-1234-123456789012" }
  }

  variables {
    environment          = "twelveletter"
    operators            = ["arn:aws:iam::123456789012:role/on-call"]
    customer_managed_key = true
  }

  assert {
    # and the region may have five letters more, in each ARN
    condition     = sum([for policy in [data.aws_iam_policy_document.operator["this"], data.aws_iam_policy_document.operator_doctor["this"]] : length(replace(policy.json, "/\\s/", "")) + 5 * length(split("arn:aws:", policy.json))]) <= 10240
    error_message = "${sum([for policy in [data.aws_iam_policy_document.operator["this"], data.aws_iam_policy_document.operator_doctor["this"]] : length(replace(policy.json, "/\\s/", "")) + 5 * length(split("arn:aws:", policy.json))])} characters"
  }
}
