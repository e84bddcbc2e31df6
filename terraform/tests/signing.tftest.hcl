# Signatures of events: the settings and the keys reach every service that signs or verifies.

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

override_resource {
  target          = aws_sns_topic.this
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-west-1:123456789012:dev-order-events" }
}

override_resource {
  target          = aws_ecs_cluster.this
  override_during = plan
  values          = { arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/dev-order-pipeline" }
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
}

run "events_are_not_signed_by_default" {
  command = plan

  assert {
    condition     = [for name, each in local.environments : name if can(each.SIGNING)] == [] && [for name, each in local.secrets : name if can(each.SIGNING_KEYS)] == []
    error_message = "a service is told to sign"
  }
}

run "signing" {
  command = plan

  variables {
    signing = { mode = "sign", key_id = "2026-11", keys_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:dev/signing-AbCdEf" }
  }

  assert {
    condition     = [for name, each in local.environments : name if can("${each.SIGNING}${each.SIGNING_KEY_ID}")] == ["analytics", "inventory", "notification", "order-api", "orders", "payment"]
    error_message = "not all services but the relay are told to sign"
  }
  assert {
    condition     = local.environments.payment.SIGNING == "sign" && local.environments.payment.SIGNING_KEY_ID == "2026-11"
    error_message = "payment is told something else"
  }
  assert {
    condition     = [for name, each in local.secrets : name if try(each.SIGNING_KEYS, "") == var.signing.keys_arn] == ["analytics", "inventory", "notification", "order-api", "orders", "payment"]
    error_message = "not all services but the relay get the keys"
  }
  assert {
    condition     = alltrue([for name, each in local.environments : !can(each.SIGNING_KEYS)])
    error_message = "a key is in a plain variable"
  }
  assert {
    condition     = contains(keys(aws_vpc_endpoint.interface), "secretsmanager")
    error_message = "ECS cannot reach the secret"
  }
}

run "an_unknown_mode" {
  command = plan

  variables {
    signing = { mode = "on", key_id = "2026-11", keys_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:dev/signing-AbCdEf" }
  }

  expect_failures = [var.signing]
}

run "a_key_in_place_of_its_arn" {
  command = plan

  variables {
    signing = { mode = "sign", key_id = "2026-11", keys_arn = "c2VjcmV0" }
  }

  expect_failures = [var.signing]
}

run "a_new_service_is_filled_from_the_archive" {
  command = plan

  variables {
    max_event_age = { analytics = 3650 }
  }

  assert {
    condition     = { for name, each in local.environments : name => each.MAX_EVENT_AGE if can(each.MAX_EVENT_AGE) } == { analytics = "3650" }
    error_message = "not analytics alone takes older events"
  }
}

run "an_age_that_is_none" {
  command = plan

  variables {
    max_event_age = { analytics = 0.5 }
  }

  expect_failures = [var.max_event_age]
}
