# The HTTP API. It requires a token and passes requests to order-api through a VPC link, which reads
# addresses and ports from Cloud Map. Nothing else is public. edge.tf puts CloudFront in front of it.

locals {
  # The public routes, and the scopes of which a token needs one. order-api checks the token again, and has
  # the same table (workers/api/callers.py). Its other routes (/docs, /openapi.json, /healthz) are internal.
  routes = {
    "POST /orders"                  = ["write", "operate"]
    "GET /orders/{orderId}"         = ["read", "operate"]
    "POST /orders/{orderId}/cancel" = ["write", "operate"]
    "POST /orders/{orderId}/refund" = ["operate"]
    "POST /orders/{orderId}/ship"   = ["operate"]
  }

  # The issuer of var.jwt, or else the user pool in cognito.tf.
  jwt = one(concat(var.jwt[*], local.cognito_jwt))
}

resource "aws_apigatewayv2_api" "orders" {
  name          = local.name
  description   = "Place, read and change orders"
  protocol_type = "HTTP"

  # Its TLS policy would be AWS's choice.
  disable_execute_api_endpoint = var.api_domain != null
}

# --- a domain without CloudFront ------------------------------------------------

resource "aws_apigatewayv2_domain_name" "this" {
  for_each = toset(var.api_domain[*].name)

  domain_name = each.key

  domain_name_configuration {
    certificate_arn = var.api_domain.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
}

resource "aws_apigatewayv2_api_mapping" "this" {
  for_each = aws_apigatewayv2_domain_name.this

  api_id      = aws_apigatewayv2_api.orders.id
  domain_name = each.value.id
  stage       = aws_apigatewayv2_stage.default.id
}

# --- routes --------------------------------------------------------------------

resource "aws_apigatewayv2_authorizer" "jwt" {
  api_id           = aws_apigatewayv2_api.orders.id
  name             = "jwt"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    audience = local.jwt.audience
    issuer   = local.jwt.issuer
  }
}

resource "aws_apigatewayv2_route" "this" {
  for_each = local.routes

  api_id    = aws_apigatewayv2_api.orders.id
  route_key = each.key
  # Cognito separates the name by a slash, others by a colon. Without scopes, any token would do.
  authorization_scopes = flatten([for name in each.value : ["orders:${name}", "orders/${name}"]])
  authorization_type   = "JWT"
  authorizer_id        = aws_apigatewayv2_authorizer.jwt.id
  target               = "integrations/${aws_apigatewayv2_integration.order_api.id}"
}

resource "aws_apigatewayv2_integration" "order_api" {
  api_id                 = aws_apigatewayv2_api.orders.id
  connection_id          = aws_apigatewayv2_vpc_link.this.id
  connection_type        = "VPC_LINK"
  integration_method     = "ANY"
  integration_type       = "HTTP_PROXY"
  integration_uri        = aws_service_discovery_service.order_api.arn
  payload_format_version = "1.0"

  # The maximum. order-api times out earlier, with an answer of its own.
  # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
  timeout_milliseconds = 30000
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.orders.id
  name        = "$default"
  auto_deploy = true

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.api.arn

    # No path and no IP address: the log holds no personal data that would have to be erased.
    format = jsonencode({
      requestId        = "$context.requestId"
      requestTime      = "$context.requestTime"
      routeKey         = "$context.routeKey"
      status           = "$context.status"
      responseLatency  = "$context.responseLatency"
      integrationError = "$context.integrationErrorMessage"
      integrationTime  = "$context.integrationLatency"
      authorizerError  = "$context.authorizer.error"
      client           = "$context.authorizer.claims.client_id"
    })
  }

  default_route_settings {
    detailed_metrics_enabled = false # metrics per route cost money, and no alarm needs them
    throttling_burst_limit   = var.api_burst
    throttling_rate_limit    = var.api_rate
  }
}

resource "aws_cloudwatch_log_group" "api" {
  #checkov:skip=CKV_AWS_158:encrypted by CloudWatch's own key; the lines hold routes and times, no data of customers
  #checkov:skip=CKV_AWS_338:var.log_retention_days sets the retention; each environment decides
  # Without this prefix AWS adds each group to a resource policy of limited size.
  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html
  name              = "/aws/vendedlogs/${local.name}-api"
  retention_in_days = var.log_retention_days
}

# --- the link into the VPC ----------------------------------------------------

resource "aws_apigatewayv2_vpc_link" "this" {
  name               = local.name
  security_group_ids = [aws_security_group.api_link.id]
  subnet_ids         = local.subnet_ids
}

resource "aws_security_group" "api_link" {
  name        = "${local.name}-api-link"
  description = "VPC link of the API: out to order-api only"
  vpc_id      = local.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "api_link" {
  security_group_id            = aws_security_group.api_link.id
  description                  = "HTTP to order-api"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  referenced_security_group_id = aws_security_group.order_api.id
}

resource "aws_vpc_security_group_ingress_rule" "order_api" {
  security_group_id            = aws_security_group.order_api.id
  description                  = "HTTP from the VPC link of the API"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  referenced_security_group_id = aws_security_group.api_link.id
}
