# The way out of the VPC that Terraform creates, as var.internet chooses: none, a NAT gateway in each zone
# for payment and order-api, or one instead of the interface endpoints.

locals {
  # Interface endpoints cost more than a NAT gateway; gateway endpoints cost nothing and always exist.
  has_endpoints = var.vpc_id == null && var.internet != "nat-only"

  # The zones that have a NAT gateway.
  nat_zones = toset(
    var.vpc_id != null || var.internet == "none" ? [] :
    var.internet == "nat" ? var.availability_zones : slice(var.availability_zones, 0, 1)
  )

  # Zones with a NAT gateway each need a route table each; otherwise all private subnets share one.
  route_tables = toset(var.vpc_id != null ? [] : var.internet == "nat" ? var.availability_zones : ["this"])
}

# Neither a provider of payments nor an issuer of tokens has fixed addresses, so the rule names only the port.
resource "aws_security_group" "internet" {
  #checkov:skip=CKV2_AWS_5:attached to payment and order-api, in modules/service
  for_each = toset(var.vpc_id == null && var.internet == "nat" ? ["this"] : [])

  name        = "${local.name}-way-out"
  description = "Tasks that call a provider of payments or an issuer of tokens: HTTPS"
  vpc_id      = local.vpc_id

  # It goes only after the tasks have left it.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_egress_rule" "internet" {
  for_each = aws_security_group.internet

  security_group_id = each.value.id
  description       = "HTTPS to the provider of payments, and to the issuer of tokens"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_internet_gateway" "this" {
  for_each = toset(length(local.nat_zones) > 0 ? ["this"] : [])

  vpc_id = local.vpc_id
  tags   = { Name = local.name }
}

# Only NAT gateways are here: a quarter of the last quarter of the range for each.
resource "aws_subnet" "public" {
  for_each = { for position, zone in var.availability_zones : zone => position if contains(local.nat_zones, zone) }

  vpc_id            = local.vpc_id
  availability_zone = each.key
  cidr_block        = cidrsubnet(cidrsubnet(var.vpc_cidr, 2, 3), 2, each.value)
  tags              = { Name = "${local.name}-public-${each.key}" }
}

resource "aws_route_table" "public" {
  for_each = aws_internet_gateway.this

  vpc_id = local.vpc_id
  tags   = { Name = "${local.name}-public" }
}

resource "aws_route" "public" {
  for_each = aws_internet_gateway.this

  route_table_id         = aws_route_table.public[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = each.value.id
}

resource "aws_route_table_association" "public" {
  for_each = aws_subnet.public

  subnet_id      = each.value.id
  route_table_id = aws_route.public["this"].route_table_id
}

resource "aws_eip" "nat" {
  for_each = local.nat_zones

  domain = "vpc"
  tags   = { Name = "${local.name}-${each.key}" }

  depends_on = [aws_internet_gateway.this]
}

resource "aws_nat_gateway" "this" {
  for_each = aws_eip.nat

  allocation_id = each.value.id
  subnet_id     = aws_subnet.public[each.key].id
  tags          = { Name = "${local.name}-${each.key}" }

  depends_on = [aws_route.public]
}

resource "aws_route" "way_out" {
  for_each = aws_nat_gateway.this

  route_table_id         = aws_route_table.private[var.internet == "nat" ? each.key : "this"].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = each.value.id
}
