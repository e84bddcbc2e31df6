# The API: who may call which routes, and how often. Offline, like queue.tftest.hcl.

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
  target          = aws_cognito_user_pool.this["this"]
  override_during = plan
  values          = { id = "eu-west-1_Pool" }
}

override_resource {
  target          = aws_cognito_user_pool_client.machine["shop"]
  override_during = plan
  values          = { id = "shop123" }
}

override_resource {
  target          = aws_cognito_user_pool_client.machine["back_office"]
  override_during = plan
  values          = { id = "office123" }
}

override_resource {
  target          = aws_service_discovery_service.order_api
  override_during = plan
  values          = { arn = "arn:aws:servicediscovery:eu-west-1:123456789012:service/srv-1" }
}

variables {
  environment      = "dev"
  image_tag        = "v1"
  sender_email     = "orders@example.com"
  operations_email = "operations@example.com"
}

run "only_tokens_of_the_user_pool_get_in" {
  command = plan

  # every route requires a token
  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : route.authorization_type == "JWT"]) && length(aws_apigatewayv2_route.this) == 5
    error_message = "a route without a token"
  }
  assert {
    condition     = !anytrue([for key in keys(aws_apigatewayv2_route.this) : strcontains(key, "$default") || strcontains(key, "{proxy+}") || startswith(key, "ANY")])
    error_message = "a route without a scope"
  }

  # without an issuer there is a user pool
  assert {
    condition = aws_apigatewayv2_authorizer.jwt.jwt_configuration[0] == {
      audience = toset(["office123", "shop123"])
      issuer   = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Pool"
    }
    error_message = "the API does not accept the tokens of the pool"
  }
  # each route requires a scope, in the spelling of Cognito or of others
  assert {
    condition = { for key, route in aws_apigatewayv2_route.this : key => join(" ", sort([for scope in route.authorization_scopes : trimprefix(scope, "orders/") if startswith(scope, "orders/")])) } == {
      "POST /orders"                  = "operate write"
      "GET /orders/{orderId}"         = "operate read"
      "POST /orders/{orderId}/cancel" = "operate write"
      "POST /orders/{orderId}/refund" = "operate"
      "POST /orders/{orderId}/ship"   = "operate"
    }
    error_message = "not the scopes that order-api asks for"
  }
  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : toset([for scope in route.authorization_scopes : replace(scope, "/", ":")]) == toset([for scope in route.authorization_scopes : scope if strcontains(scope, ":")])])
    error_message = "a scope in one spelling only"
  }

  # no client has every scope
  assert {
    condition     = { for name, client in aws_cognito_user_pool_client.machine : name => join(" ", sort(client.allowed_oauth_scopes)) } == { shop = "orders/read orders/write", back_office = "orders/operate" }
    error_message = "a client with other scopes than it needs"
  }
  assert {
    condition     = alltrue([for client in aws_cognito_user_pool_client.machine : one(client.allowed_oauth_flows) == "client_credentials"]) && aws_cognito_user_pool.this["this"].admin_create_user_config[0].allow_admin_create_user_only
    error_message = "users can sign up"
  }

  # order-api checks the tokens too
  assert {
    condition = { for name, value in local.environments["order-api"] : name => value if name == "AUTH" || startswith(name, "JWT_") } == {
      AUTH         = "jwt"
      JWT_AUDIENCE = "office123,shop123"
      JWT_ISSUER   = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Pool"
      JWT_KEYS     = var.jwt_keys
    }
    error_message = "order-api accepts other tokens than the gateway"
  }
  assert {
    condition     = !anytrue([for name, environment in local.environments : contains(keys(environment), "AUTH") || contains(keys(environment), "API_DOCS") if name != "order-api"]) && !contains(keys(local.environments["order-api"]), "API_DOCS")
    error_message = "a setting of order-api elsewhere, or a public API document"
  }

  # requests go to order-api only
  assert {
    condition     = aws_apigatewayv2_integration.order_api.connection_type == "VPC_LINK" && aws_apigatewayv2_integration.order_api.integration_uri == aws_service_discovery_service.order_api.arn
    error_message = "requests do not go through the VPC link to order-api"
  }
  assert {
    condition = alltrue([
      for rule in [aws_vpc_security_group_egress_rule.api_link, aws_vpc_security_group_ingress_rule.order_api] :
      rule.from_port == tonumber(local.environments["order-api"].PORT) && rule.to_port == rule.from_port && rule.cidr_ipv4 == null
    ])
    error_message = "not the port of order-api, or open to more than the link"
  }
  assert {
    condition     = aws_apigatewayv2_integration.order_api.timeout_milliseconds <= 30000
    error_message = "an HTTP API waits at most 30 s"
  }
}

run "a_given_issuer_and_rate" {
  command = plan

  variables {
    api_burst = 60
    api_rate  = 50
    jwt       = { issuer = "https://login.example.com/", audience = ["orders"] }

    requests_per_minute = 1200
  }

  # a given issuer needs no user pool
  assert {
    condition     = length(aws_cognito_user_pool.this) + length(aws_cognito_user_pool_client.machine) + length(aws_cognito_user_pool_domain.this) == 0 && output.tokens == null
    error_message = "an unnecessary user pool"
  }
  assert {
    condition     = aws_apigatewayv2_authorizer.jwt.jwt_configuration[0] == { audience = toset(["orders"]), issuer = "https://login.example.com/" }
    error_message = "not the given issuer"
  }
  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : length(route.authorization_scopes) > 0])
    error_message = "any token of the issuer gets in"
  }
  assert {
    condition     = local.environments["order-api"].JWT_ISSUER == "https://login.example.com/" && local.environments["order-api"].JWT_AUDIENCE == "orders"
    error_message = "order-api asks another issuer"
  }

  # callers are throttled, and logged without personal data
  assert {
    condition     = aws_apigatewayv2_stage.default.default_route_settings[0].throttling_rate_limit == 50 && aws_apigatewayv2_stage.default.default_route_settings[0].throttling_burst_limit == 60
    error_message = "not the given rate and burst"
  }
  assert {
    condition     = { for name, each in local.environments : name => each.REQUESTS_PER_MINUTE if can(each.REQUESTS_PER_MINUTE) } == { order-api = "1200" }
    error_message = "not the given limit of a caller, or not on order-api alone"
  }
  assert {
    condition     = jsondecode(aws_apigatewayv2_stage.default.access_log_settings[0].format).routeKey == "$context.routeKey" && !strcontains(aws_apigatewayv2_stage.default.access_log_settings[0].format, "sourceIp")
    error_message = "no access log, or one with personal data"
  }
  assert {
    condition     = aws_cloudwatch_log_group.api.retention_in_days == var.log_retention_days
    error_message = "the access log is kept forever"
  }
}

run "plain_http_and_a_rate_beyond_the_account_are_refused" {
  command = plan

  variables {
    api_rate = 20000
    jwt      = { issuer = "http://login.example.com/", audience = ["orders"] }
  }

  expect_failures = [var.api_rate, var.jwt]
}

run "an_issuer_without_an_audience_is_refused" {
  command = plan

  variables {
    jwt = { issuer = "https://login.example.com/", audience = [] }
  }

  expect_failures = [var.jwt]
}

run "a_limit_of_no_requests_is_refused" {
  command = plan

  variables {
    requests_per_minute = 0
  }

  expect_failures = [var.requests_per_minute]
}

run "a_burst_below_the_rate_is_refused" {
  command = plan

  variables {
    api_burst = 200
    api_rate  = 300
  }

  expect_failures = [var.api_burst]
}

run "an_audience_that_would_be_split_is_refused" {
  command = plan

  variables {
    jwt = { issuer = "https://login.example.com/", audience = ["orders", "a,b"] }
  }

  expect_failures = [var.jwt]
}

run "keys_that_are_no_document_are_refused" {
  command = plan

  variables {
    jwt_keys = "{}"
  }

  expect_failures = [var.jwt_keys]
}
