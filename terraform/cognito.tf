# Tokens for the API if var.jwt names no issuer: a user pool with two clients, which get tokens with their
# secrets (client_credentials). The shop places, reads and cancels its own orders. The back office reads all
# orders, ships and refunds.

locals {
  user_pool = toset(var.jwt == null ? ["this"] : [])

  # Scopes by client.
  clients = {
    shop        = ["read", "write"]
    back_office = ["operate"]
  }

  cognito_jwt = [for pool in aws_cognito_user_pool.this : {
    issuer   = "https://cognito-idp.${var.region}.amazonaws.com/${pool.id}"
    audience = [for name in keys(local.clients) : aws_cognito_user_pool_client.machine[name].id]
  }]
}

resource "aws_cognito_user_pool" "this" {
  for_each = local.user_pool

  name                = local.name
  deletion_protection = var.deletion_protection ? "ACTIVE" : "INACTIVE"

  # There are no users and no passwords: tokens are for machines.
  admin_create_user_config {
    allow_admin_create_user_only = true
  }
}

resource "aws_cognito_resource_server" "orders" {
  for_each = local.user_pool

  identifier   = "orders"
  name         = "Orders"
  user_pool_id = aws_cognito_user_pool.this[each.key].id

  scope {
    scope_name        = "read"
    scope_description = "Read orders"
  }
  scope {
    scope_name        = "write"
    scope_description = "Place and cancel orders"
  }
  scope {
    scope_name        = "operate"
    scope_description = "Read, change, ship and refund the orders of everybody"
  }
}

# The host of the token endpoint.
resource "aws_cognito_user_pool_domain" "this" {
  for_each = local.user_pool

  domain       = local.dns_name
  user_pool_id = aws_cognito_user_pool.this[each.key].id
}

resource "aws_cognito_user_pool_client" "machine" {
  for_each = var.jwt == null ? local.clients : {}

  name                                 = "${local.name}-${replace(each.key, "_", "-")}"
  user_pool_id                         = aws_cognito_user_pool.this["this"].id
  allowed_oauth_flows                  = ["client_credentials"]
  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_scopes                 = [for scope in each.value : "${aws_cognito_resource_server.orders["this"].identifier}/${scope}"]
  explicit_auth_flows                  = ["ALLOW_REFRESH_TOKEN_AUTH"]
  generate_secret                      = true
}

# The only client of earlier versions keeps its id and secret, and no longer ships and refunds.
moved {
  from = aws_cognito_user_pool_client.machine["this"]
  to   = aws_cognito_user_pool_client.machine["shop"]
}
