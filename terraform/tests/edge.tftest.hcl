# The front of the API: CloudFront with a web ACL, or a domain of its own. Offline.

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
  target          = aws_apigatewayv2_api.orders
  override_during = plan
  values          = { api_endpoint = "https://api123.execute-api.eu-west-1.amazonaws.com" }
}

override_resource {
  target          = aws_wafv2_web_acl.api["this"]
  override_during = plan
  values          = { arn = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/dev-order-pipeline/1" }
}

variables {
  environment      = "dev"
  image_tag        = "v1"
  sender_email     = "orders@example.com"
  operations_email = "operations@example.com"
}

run "off_by_default" {
  command = plan

  assert {
    condition     = length(aws_cloudfront_distribution.api) + length(aws_wafv2_web_acl.api) + length(aws_ssm_parameter.origin_key) + length(aws_apigatewayv2_domain_name.this) == 0
    error_message = "a front that nobody asked for"
  }
  assert {
    condition     = output.api_url == "https://api123.execute-api.eu-west-1.amazonaws.com" && output.api_dns_record == {}
    error_message = "not the default endpoint"
  }
  assert {
    condition     = alltrue([for secrets in local.secrets : length(secrets) == 0]) && !contains(keys(aws_vpc_endpoint.interface), "ssm")
    error_message = "order-api demands a key that nobody sends"
  }
}

run "cloudfront_in_front" {
  command = plan

  variables {
    edge = {
      domain          = "orders.example.com"
      certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/abc"
      rate_limit      = 5000
      origin_keys     = ["second", "first"]
    }
  }

  assert {
    condition     = one(aws_cloudfront_distribution.api["this"].origin).domain_name == "api123.execute-api.eu-west-1.amazonaws.com" && one(one(aws_cloudfront_distribution.api["this"].origin).custom_origin_config).origin_protocol_policy == "https-only"
    error_message = "requests do not go to the API over TLS"
  }
  assert {
    condition     = aws_cloudfront_distribution.api["this"].web_acl_id == aws_wafv2_web_acl.api["this"].arn && aws_wafv2_web_acl.api["this"].scope == "CLOUDFRONT"
    error_message = "not behind the web ACL"
  }

  # nothing is cached, and a token is never sent in the clear
  assert {
    condition = (
      aws_cloudfront_distribution.api["this"].default_cache_behavior[0].cache_policy_id == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad" &&
      aws_cloudfront_distribution.api["this"].default_cache_behavior[0].origin_request_policy_id == "b689b0a8-53d0-40ab-baf2-68738e2966ac" &&
      aws_cloudfront_distribution.api["this"].default_cache_behavior[0].viewer_protocol_policy == "https-only"
    )
    error_message = "cached, without the token, or over HTTP"
  }
  assert {
    condition     = aws_cloudfront_distribution.api["this"].viewer_certificate[0].minimum_protocol_version == "TLSv1.2_2021" && aws_cloudfront_distribution.api["this"].aliases == toset(["orders.example.com"])
    error_message = "an old version of TLS, or not the domain"
  }

  # the web ACL
  assert {
    condition = toset([for rule in aws_wafv2_web_acl.api["this"].rule : rule.name]) == toset([
      "rate", "AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet",
    ]) && length(toset([for rule in aws_wafv2_web_acl.api["this"].rule : rule.priority])) == 4
    error_message = "not the rules, or not in a definite order"
  }
  assert {
    condition     = one([for rule in aws_wafv2_web_acl.api["this"].rule : rule.statement[0].rate_based_statement[0].limit if rule.name == "rate"]) == 5000
    error_message = "not the given rate"
  }
  assert {
    condition = flatten([
      for rule in aws_wafv2_web_acl.api["this"].rule : rule.statement[0].managed_rule_group_statement[0].rule_action_override[*].name
      if rule.name == "AWSManagedRulesCommonRuleSet"
    ]) == ["SizeRestrictions_BODY"]
    error_message = "an order of more than 8 KB would be blocked"
  }
  assert {
    condition     = startswith(aws_cloudwatch_log_group.waf["this"].name, "aws-waf-logs-") && aws_wafv2_web_acl_logging_configuration.api["this"].redacted_fields[0].single_header[0].name == "authorization"
    error_message = "WAF refuses the log group, or the log has tokens"
  }

  # only order-api knows the keys; CloudFront sends the first
  assert {
    condition = { for name, secrets in local.secrets : name => secrets if length(secrets) > 0 } == { order-api = {
      ORIGIN_KEY       = "arn:aws:ssm:eu-west-1:123456789012:parameter/dev-order-pipeline/origin-key/second"
      OTHER_ORIGIN_KEY = "arn:aws:ssm:eu-west-1:123456789012:parameter/dev-order-pipeline/origin-key/first"
    } }
    error_message = "order-api does not get both keys, or another service does"
  }
  assert {
    condition     = toset([for each in aws_ssm_parameter.origin_key : each.name]) == toset(["/dev-order-pipeline/origin-key/first", "/dev-order-pipeline/origin-key/second"]) && alltrue([for each in aws_ssm_parameter.origin_key : each.type == "SecureString"])
    error_message = "not the parameters that order-api reads, or not encrypted"
  }
  assert {
    condition     = strcontains(data.aws_iam_policy_document.endpoint["ssm"].json, "parameter/dev-order-pipeline/origin-key/second")
    error_message = "ECS cannot read the key through the endpoint"
  }

  assert {
    condition     = output.api_url == "https://orders.example.com" && keys(output.api_dns_record) == ["orders.example.com"]
    error_message = "clients are told an address that order-api refuses"
  }
  assert {
    condition     = !aws_apigatewayv2_api.orders.disable_execute_api_endpoint
    error_message = "CloudFront cannot reach the API"
  }
}

run "clients_move_before_the_key_is_demanded" {
  command = plan

  variables {
    edge = {
      domain          = "orders.example.com"
      certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/abc"
      rate_limit      = 5000
      enforced        = false
    }
  }

  assert {
    condition     = length(local.secrets["order-api"]) == 0 && length(aws_ssm_parameter.origin_key) == 1 && length(aws_cloudfront_distribution.api) == 1
    error_message = "order-api already demands the key, or CloudFront does not send it yet"
  }
}

run "a_domain_without_cloudfront" {
  command = plan

  variables {
    api_domain = { name = "orders.example.com", certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/abc" }
  }

  assert {
    condition = (
      aws_apigatewayv2_domain_name.this["orders.example.com"].domain_name_configuration[0].security_policy == "TLS_1_2" &&
      aws_apigatewayv2_api.orders.disable_execute_api_endpoint && output.api_url == "https://orders.example.com"
    )
    error_message = "an old version of TLS, or a second way in"
  }
}

run "a_certificate_of_another_region" {
  command = plan

  variables {
    edge = { domain = "orders.example.com", certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/abc", rate_limit = 5000 }
  }

  expect_failures = [var.edge]
}

run "a_domain_that_is_none" {
  command = plan

  variables {
    edge = { domain = "https://orders.example.com", certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/abc", rate_limit = 5000 }
  }

  expect_failures = [var.edge]
}

run "a_rate_that_waf_refuses" {
  command = plan

  variables {
    edge = { domain = "orders.example.com", certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/abc", rate_limit = 9 }
  }

  expect_failures = [var.edge]
}

run "three_keys" {
  command = plan

  variables {
    edge = { domain = "orders.example.com", certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/abc", rate_limit = 5000, origin_keys = ["a", "b", "c"] }
  }

  expect_failures = [var.edge]
}

run "the_certificate_of_the_edge_for_the_api" {
  command = plan

  variables {
    api_domain = { name = "orders.example.com", certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/abc" }
  }

  expect_failures = [var.api_domain]
}

run "an_api_domain_that_is_none" {
  command = plan

  variables {
    api_domain = { name = "orders", certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/abc" }
  }

  expect_failures = [var.api_domain]
}

run "two_fronts" {
  command = plan

  variables {
    api_domain = { name = "api.example.com", certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/abc" }
    edge       = { domain = "orders.example.com", certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/abc", rate_limit = 5000 }
  }

  expect_failures = [var.api_domain]
}
