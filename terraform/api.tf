# The way in: an HTTP API that lets in whoever has a token, and passes requests to order-api through
# a VPC link. It reads addresses and ports from Cloud Map; nothing else is public.

locals {
  # What can be called, and what a token must be good for. order-api answers more (/docs,
  # /openapi.json, /healthz): that is for inside.
  routes = {
    "POST /orders"                  = "write"
    "GET /orders/{orderId}"         = "read"
    "POST /orders/{orderId}/cancel" = "write"
    "POST /orders/{orderId}/refund" = "write"
    "POST /orders/{orderId}/ship"   = "write"
  }

  # Whose tokens: those of var.jwt, or of the user pool in cognito.tf.
  jwt = one(concat(var.jwt[*], local.cognito_jwt))
}

resource "aws_apigatewayv2_api" "orders" {
  name          = local.name
  description   = "Orders: placed, looked at, changed"
  protocol_type = "HTTP"
}

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

  api_id               = aws_apigatewayv2_api.orders.id
  route_key            = each.key
  authorization_scopes = each.value == "read" ? local.jwt.read_scopes : local.jwt.write_scopes
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

  # The longest there is. order-api gives up before, and says so with an answer of its own.
  # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
  timeout_milliseconds = 30000
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.orders.id
  name        = "$default"
  auto_deploy = true

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.api.arn

    # No path and no address of the caller: what is logged need not be forgotten on request.
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
    detailed_metrics_enabled = false # a metric per route costs, and no alarm needs it
    throttling_burst_limit   = var.api_burst
    throttling_rate_limit    = var.api_rate
  }
}

resource "aws_cloudwatch_log_group" "api" {
  #checkov:skip=CKV_AWS_158:encrypted by CloudWatch's own key; the lines hold routes and times, nothing of customers
  #checkov:skip=CKV_AWS_338:kept as long as var.log_retention_days says; a year is a choice of the environment
  # With this prefix AWS need not add each group to its one policy, which has a size.
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
