# Traces in an environment: the endpoint of X-Ray, and the registry of the collector. Offline, like
# queue.tftest.hcl.

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
  values          = { arn = "arn:aws:sns:eu-west-1:123456789012:dev-order-events" }
}

override_resource {
  target          = aws_ecs_cluster.this
  override_during = plan
  values          = { arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/dev-order-pipeline" }
}

override_resource {
  target          = aws_apigatewayv2_api.orders
  override_during = plan
  values          = { id = "api123" }
}

override_resource {
  target          = aws_sns_topic.alerts
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-west-1:123456789012:dev-order-pipeline-alerts" }
}

variables {
  environment      = "dev"
  image_tag        = "v1"
  sender_email     = "orders@example.com"
  operations_email = "operations@example.com"
}

run "no_traces" {
  command = plan

  assert {
    condition     = !contains(keys(aws_vpc_endpoint.interface), "xray")
    error_message = "an endpoint that nobody uses costs money"
  }
}

run "traces" {
  command = plan

  variables {
    tracing = { image = "210987654321.dkr.ecr.eu-west-1.amazonaws.com/tools/adot@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
  }

  # without a way out of the network, the collector needs the endpoint, and ECS the image's repository
  assert {
    condition     = jsondecode(data.aws_iam_policy_document.endpoint["xray"].json).Statement[0].Action == "xray:PutTraceSegments" && contains(keys(aws_vpc_endpoint.interface), "xray")
    error_message = "the collector cannot reach X-Ray"
  }
  assert {
    condition = anytrue([
      for each in jsondecode(data.aws_iam_policy_document.endpoint["ecr.api"].json).Statement :
      try(contains(each.Resource, "arn:aws:ecr:eu-west-1:210987654321:repository/tools/adot"), false)
    ])
    error_message = "ECS cannot pull the collector's image through the endpoint"
  }
  assert {
    condition     = alltrue([for each in module.service : length(each.collectors) == 1])
    error_message = "a service has no collector"
  }
}

run "a_collector_from_a_public_registry" {
  command = plan

  variables {
    tracing = { image = "public.ecr.aws/aws-observability/aws-otel-collector:v0.47.0" }
  }
  expect_failures = [var.tracing]
}

run "a_collector_by_tag" {
  command = plan

  variables {
    tracing = { image = "210987654321.dkr.ecr.eu-west-1.amazonaws.com/adot:v0.47.0" }
  }
  expect_failures = [var.tracing]
}

run "a_share_above_one" {
  command = plan

  variables {
    tracing = { image = "210987654321.dkr.ecr.eu-west-1.amazonaws.com/adot@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", sample = 10 }
  }
  expect_failures = [var.tracing]
}
