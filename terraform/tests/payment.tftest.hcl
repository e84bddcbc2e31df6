# The payment gateway: its setting and its key reach payment, and no other service.

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

run "stripe" {
  command = plan

  variables {
    environment     = "prod"
    internet        = "nat"
    payment_gateway = "stripe"
    services        = { payment = { secrets = { STRIPE_API_KEY = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/stripe-AbCdEf" } } }
  }

  assert {
    condition     = { for name, each in local.environments : name => each.PAYMENT_GATEWAY if can(each.PAYMENT_GATEWAY) } == { payment = "stripe" }
    error_message = "not payment alone is told of the gateway"
  }
  assert {
    condition     = { for name, each in local.capacity : name => join(" ", keys(each.secrets)) if length(each.secrets) > 0 } == { payment = "STRIPE_API_KEY" }
    error_message = "not payment alone gets the key"
  }
}

run "no_gateway_by_default" {
  command = plan

  assert {
    condition     = !can(local.environments.payment.PAYMENT_GATEWAY)
    error_message = "a gateway was chosen without being named"
  }
}

run "an_unknown_gateway" {
  command = plan

  variables {
    payment_gateway = "paypal"
  }

  expect_failures = [var.payment_gateway]
}

run "stripe_without_its_key" {
  command = plan

  variables {
    internet        = "nat"
    payment_gateway = "stripe"
  }

  expect_failures = [var.payment_gateway]
}

run "no_production_without_money" {
  command = plan

  variables {
    environment     = "shop" # whatever its name: production is the default
    payment_gateway = "simulated"
  }

  expect_failures = [var.payment_gateway]
}
