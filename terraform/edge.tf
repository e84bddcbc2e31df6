# CloudFront with a web ACL in front of the API, if var.edge is set: an HTTP API takes no web ACL. CloudFront
# adds a key to each request, and order-api answers only requests with a key that it knows
# (workers/api/origin.py). The decision log in ARCHITECTURE.md says why, and what it costs.

locals {
  edge = toset(var.edge == null ? [] : ["this"])

  # By environment variable of order-api: the parameter with the key. CloudFront sends the first one.
  origin_keys  = var.edge == null ? [] : var.edge.origin_keys
  origin_names = { for key in local.origin_keys : key => "/${local.name}/origin-key/${key}" }
  origin_secrets = {
    for position, key in try(var.edge.enforced, false) ? local.origin_keys : [] :
    ["ORIGIN_KEY", "OTHER_ORIGIN_KEY"][position] => "${local.parameter_arn}${local.origin_names[key]}"
  }
  parameter_arn = "arn:${local.partition}:ssm:${var.region}:${local.account_id}:parameter"
}

# A key never changes; a rotation adds another and removes this one. It is in the state and in the
# configuration of CloudFront: both are as secret as the key. It replaces no token.
resource "aws_ssm_parameter" "origin_key" {
  #checkov:skip=CKV_AWS_337:encrypted by SSM's own key; CloudFront shows the same value
  for_each = local.origin_names

  name        = each.value
  description = "Proves to order-api that a request came through CloudFront"
  type        = "SecureString"
  value       = uuid() # 122 random bits

  # A key goes only after order-api has stopped asking for it.
  lifecycle {
    create_before_destroy = true
    ignore_changes        = [value]
  }
}

resource "aws_cloudfront_distribution" "api" {
  #checkov:skip=CKV_AWS_86:the API logs each request, without addresses of customers
  #checkov:skip=CKV_AWS_305:there are no pages, so none is the default
  #checkov:skip=CKV_AWS_310:there is one origin, in several zones
  #checkov:skip=CKV_AWS_374:var.edge restricts no country; a shop knows where its back ends are
  #checkov:skip=CKV2_AWS_32:answers are JSON for machines; headers for browsers mean nothing to them
  #checkov:skip=CKV2_AWS_47:the web ACL has AWSManagedRulesKnownBadInputsRuleSet, which stops Log4j attacks
  for_each = local.edge

  comment         = local.name
  enabled         = true
  aliases         = [var.edge.domain]
  http_version    = "http2and3"
  is_ipv6_enabled = true
  web_acl_id      = aws_wafv2_web_acl.api[each.key].arn

  origin {
    origin_id   = "api"
    domain_name = trimprefix(aws_apigatewayv2_api.orders.api_endpoint, "https://")

    # CloudFront replaces a header of this name that a client sends.
    # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/add-origin-custom-headers.html
    custom_header {
      name  = "X-Origin-Key" # as in workers/api/origin.py
      value = aws_ssm_parameter.origin_key[var.edge.origin_keys[0]].value
    }

    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
      origin_read_timeout    = 35 # s; longer than the API's own, which answers first
    }
  }

  default_cache_behavior {
    target_origin_id       = "api"
    allowed_methods        = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"] # CloudFront has no smaller set with POST
    cached_methods         = ["GET", "HEAD"]
    compress               = false
    viewer_protocol_policy = "https-only" # a redirect would come after the token was sent in the clear

    # AWS's policies CachingDisabled and AllViewerExceptHostHeader. API Gateway needs its own Host.
    # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
    # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html
    cache_policy_id          = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    origin_request_policy_id = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/secure-connections-supported-viewer-protocols-ciphers.html
  viewer_certificate {
    acm_certificate_arn      = var.edge.certificate_arn
    minimum_protocol_version = "TLSv1.2_2021"
    ssl_support_method       = "sni-only"
  }
}

# --- the web ACL ----------------------------------------------------------------

locals {
  # AWS's rules, and those that only count. Orders may be larger than the 8 KB that one of them
  # allows; order-api has a limit of its own (workers/api/gate.py).
  # https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html
  managed_rules = {
    AWSManagedRulesAmazonIpReputationList = { priority = 2, counts = [] }
    AWSManagedRulesKnownBadInputsRuleSet  = { priority = 3, counts = [] }
    AWSManagedRulesCommonRuleSet          = { priority = 4, counts = ["SizeRestrictions_BODY"] }
  }
}

resource "aws_wafv2_web_acl" "api" {
  #checkov:skip=CKV_AWS_192:local.managed_rules has AWSManagedRulesKnownBadInputsRuleSet, which checkov does not see in a dynamic block
  for_each = local.edge
  provider = aws.us_east_1

  name        = local.name
  description = "Requests to the API through CloudFront"
  scope       = "CLOUDFRONT"

  default_action {
    allow {}
  }

  rule {
    name     = "rate"
    priority = 1

    action {
      block {
        custom_response {
          response_code = 429
        }
      }
    }

    statement {
      rate_based_statement {
        aggregate_key_type    = "IP"
        evaluation_window_sec = 300
        limit                 = var.edge.rate_limit
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "rate"
      sampled_requests_enabled   = false # samples would hold addresses and tokens
    }
  }

  dynamic "rule" {
    for_each = local.managed_rules

    content {
      name     = rule.key
      priority = rule.value.priority

      override_action {
        none {}
      }

      statement {
        managed_rule_group_statement {
          name        = rule.key
          vendor_name = "AWS"

          dynamic "rule_action_override" {
            for_each = rule.value.counts

            content {
              name = rule_action_override.value

              action_to_use {
                count {}
              }
            }
          }
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = rule.key
        sampled_requests_enabled   = false
      }
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = local.name
    sampled_requests_enabled   = false
  }
}

# Only blocked requests, with the rule and the address, and without the token.
resource "aws_wafv2_web_acl_logging_configuration" "api" {
  for_each = local.edge
  provider = aws.us_east_1

  resource_arn            = aws_wafv2_web_acl.api[each.key].arn
  log_destination_configs = [aws_cloudwatch_log_group.waf[each.key].arn]

  redacted_fields {
    single_header {
      name = "authorization"
    }
  }

  logging_filter {
    default_behavior = "DROP"

    filter {
      behavior    = "KEEP"
      requirement = "MEETS_ANY"

      condition {
        action_condition {
          action = "BLOCK"
        }
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "waf" {
  #checkov:skip=CKV_AWS_158:encrypted by CloudWatch's own key; the lines hold no data of orders
  #checkov:skip=CKV_AWS_338:var.log_retention_days sets the retention; each environment decides
  for_each = local.edge
  provider = aws.us_east_1

  # WAF demands the prefix: https://docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html
  name              = "aws-waf-logs-${local.name}"
  retention_in_days = var.log_retention_days
}
