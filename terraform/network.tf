# The network of the tasks: private subnets and an endpoint for each API that they call, or subnets of
# an existing VPC. internet.tf has the way out, if there is one.

locals {
  new_vpc    = toset(var.vpc_id == null ? ["this"] : [])
  vpc_id     = var.vpc_id == null ? aws_vpc.this["this"].id : var.vpc_id
  subnet_ids = var.vpc_id == null ? [for zone in var.availability_zones : aws_subnet.private[zone].id] : var.subnet_ids
}

locals {
  # What a task needs to start, to work and to stop. Terraform knows of no other connection between a
  # service and these resources, and would create and destroy them at the same time.
  task_needs = concat(
    [for each in aws_vpc_endpoint.interface : each.id],
    [for each in aws_vpc_endpoint.gateway : each.id],
    [for each in aws_route_table_association.private : each.id],
    [for each in aws_route.way_out : each.id],
    [for each in aws_route_table_association.public : each.id],
    [for each in aws_vpc_security_group_egress_rule.internet : each.id],
    [for each in aws_vpc_security_group_egress_rule.endpoints : each.id],
    [for each in aws_vpc_security_group_egress_rule.gateways : each.id],
    [for each in aws_vpc_security_group_egress_rule.elsewhere : each.id],
    [for each in aws_vpc_security_group_ingress_rule.endpoints : each.id],
    [aws_vpc_security_group_egress_rule.api_link.id, aws_vpc_security_group_ingress_rule.order_api.id],
    [aws_sns_topic_policy.this.id],
    [for each in aws_ssm_parameter.origin_key : each.id],
  )
}

# --- security groups ----------------------------------------------------------

resource "aws_security_group" "tasks" {
  #checkov:skip=CKV2_AWS_5:attached to every service, in modules/service
  name        = "${local.name}-tasks"
  description = "Every task of ${local.name}: no inbound traffic"
  vpc_id      = local.vpc_id
}

# Tasks of order-api have this group too; api.tf lets the VPC link in.
resource "aws_security_group" "order_api" {
  #checkov:skip=CKV2_AWS_5:attached to order-api, in modules/service
  name        = "${local.name}-order-api"
  description = "Tasks of order-api: HTTP from the VPC link of the API"
  vpc_id      = local.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  for_each = aws_security_group.endpoints

  security_group_id            = aws_security_group.tasks.id
  description                  = "AWS APIs through interface endpoints"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = each.value.id
}

resource "aws_vpc_security_group_egress_rule" "gateways" {
  for_each = aws_vpc_endpoint.gateway

  security_group_id = aws_security_group.tasks.id
  description       = "${each.key} through its gateway endpoint"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  prefix_list_id    = each.value.prefix_list_id
}

resource "aws_vpc_security_group_egress_rule" "elsewhere" {
  for_each = toset(local.has_endpoints ? [] : ["this"])

  security_group_id = aws_security_group.tasks.id
  description       = var.vpc_id == null ? "AWS APIs through the NAT gateway" : "AWS APIs through the existing VPC"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

# --- the VPC ------------------------------------------------------------------

resource "aws_vpc" "this" {
  for_each = local.new_vpc

  cidr_block           = var.vpc_cidr
  enable_dns_hostnames = true
  enable_dns_support   = true
  tags                 = { Name = local.name }
}

# It is not used, so it has no rules.
resource "aws_default_security_group" "this" {
  for_each = local.new_vpc

  vpc_id = aws_vpc.this[each.key].id
}

resource "aws_subnet" "private" {
  for_each = { for position, zone in var.availability_zones : zone => position if var.vpc_id == null }

  vpc_id            = local.vpc_id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.vpc_cidr, 2, each.value)
  tags              = { Name = "${local.name}-${each.key}" }
}

resource "aws_route_table" "private" {
  for_each = local.route_tables

  vpc_id = local.vpc_id
  tags   = { Name = each.key == "this" ? local.name : "${local.name}-${each.key}" }

  # Another value of var.internet moves the subnets to other tables before theirs are deleted.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route_table_association" "private" {
  for_each = aws_subnet.private

  subnet_id      = each.value.id
  route_table_id = aws_route_table.private[var.internet == "nat" ? each.key : "this"].id
}

# Rejected traffic shows an attempt to get out, or a missing rule.
resource "aws_flow_log" "this" {
  for_each = local.new_vpc

  vpc_id          = aws_vpc.this[each.key].id
  traffic_type    = "REJECT"
  iam_role_arn    = aws_iam_role.flow_log[each.key].arn
  log_destination = aws_cloudwatch_log_group.flow_log[each.key].arn
}

resource "aws_cloudwatch_log_group" "flow_log" {
  #checkov:skip=CKV_AWS_158:encrypted by CloudWatch's own key; addresses inside the VPC are not secret
  #checkov:skip=CKV_AWS_338:var.log_retention_days sets the retention; each environment decides
  for_each = local.new_vpc

  name              = "/vpc/${local.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "flow_log" {
  for_each = local.new_vpc

  name                 = "${local.name}-flow-log"
  description          = "The VPC logs rejected traffic"
  assume_role_policy   = data.aws_iam_policy_document.flow_log_assumes.json
  permissions_boundary = local.permissions_boundary
}

data "aws_iam_policy_document" "flow_log_assumes" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["vpc-flow-logs.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }
}

resource "aws_iam_role_policy" "flow_log" {
  for_each = local.new_vpc

  name   = "log"
  role   = aws_iam_role.flow_log[each.key].name
  policy = data.aws_iam_policy_document.flow_log[each.key].json
}

data "aws_iam_policy_document" "flow_log" {
  for_each = local.new_vpc

  statement {
    actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.flow_log[each.key].arn}:*"]
  }
}
