# Tokens for the API if var.jwt names no issuer: a user pool with one client, which gets tokens with
# its secret (client_credentials), as a shop's back end would.

locals {
  user_pool = toset(var.jwt == null ? ["this"] : [])

  cognito_jwt = [for pool in aws_cognito_user_pool.this : {
    issuer       = "https://cognito-idp.${var.region}.amazonaws.com/${pool.id}"
    audience     = [aws_cognito_user_pool_client.machine["this"].id]
    read_scopes  = ["orders/read"]
    write_scopes = ["orders/write"]
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
    scope_description = "Place and change orders"
  }
}

# The host of the token endpoint.
resource "aws_cognito_user_pool_domain" "this" {
  for_each = local.user_pool

  domain       = local.dns_name
  user_pool_id = aws_cognito_user_pool.this[each.key].id
}

resource "aws_cognito_user_pool_client" "machine" {
  for_each = local.user_pool

  name                                 = "${local.name}-machine"
  user_pool_id                         = aws_cognito_user_pool.this[each.key].id
  allowed_oauth_flows                  = ["client_credentials"]
  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_scopes                 = aws_cognito_resource_server.orders[each.key].scope_identifiers
  explicit_auth_flows                  = ["ALLOW_REFRESH_TOKEN_AUTH"]
  generate_secret                      = true
}
