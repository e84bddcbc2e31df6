# The names that the VPC resolves, if var.dns_firewall is set. Without it, a compromised task could send data
# out in lookups of names under a domain of the attacker, which the VPC's resolver passes on.
# https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-dns-firewall.html

locals {
  dns_firewall = toset(var.dns_firewall == null ? [] : ["this"])

  # The APIs that tasks and their agents call: the endpoints of endpoints.tf, and the registry's layers.
  # Clients of DynamoDB may use a name for each account.
  # https://docs.aws.amazon.com/sdkref/latest/guide/feature-account-endpoints.html
  dns_names = sort(distinct(concat(
    # The names of endpoints are those of the APIs, except those of the registry.
    [for endpoint in keys(local.endpoint_rights) : "${endpoint}.${var.region}.${local.dns_suffix}" if !startswith(endpoint, "ecr.")],
    [for host in ["api.ecr", "${local.registry_account_id}.dkr.ecr"] : "${host}.${var.region}.${local.dns_suffix}"],
    var.tracing == null ? [] : [split("/", var.tracing.image)[0]],
    ["dynamodb.${var.region}.${local.dns_suffix}", "${local.account_id}.ddb.${var.region}.${local.dns_suffix}"],
    ["prod-${var.region}-starport-layer-bucket.s3.${var.region}.${local.dns_suffix}"],
    var.payment_gateway == "stripe" ? ["api.stripe.com"] : [],
    try(tolist(var.dns_firewall.domains), []),
  )))
  dns_suffix = local.partition == "aws-cn" ? "amazonaws.com.cn" : "amazonaws.com"

  # By priority: the first rule that matches decides.
  dns_rules = {
    allow = { priority = 100, action = "ALLOW", domains = local.dns_names }
    block = { priority = 200, action = "BLOCK", domains = ["*"] }
  }
}

resource "aws_route53_resolver_firewall_rule_group" "this" {
  for_each = local.dns_firewall

  name = local.name
}

resource "aws_route53_resolver_firewall_domain_list" "this" {
  for_each = { for name, rule in local.dns_rules : name => rule if var.dns_firewall != null }

  name    = "${local.name}-${each.key}"
  domains = each.value.domains
}

resource "aws_route53_resolver_firewall_rule" "this" {
  for_each = aws_route53_resolver_firewall_domain_list.this

  name                    = each.key
  action                  = local.dns_rules[each.key].action
  block_response          = local.dns_rules[each.key].action == "BLOCK" ? "NXDOMAIN" : null
  firewall_domain_list_id = each.value.id
  firewall_rule_group_id  = aws_route53_resolver_firewall_rule_group.this["this"].id
  priority                = local.dns_rules[each.key].priority

  # AWS's names are aliases of others of AWS, which change.
  firewall_domain_redirection_action = local.dns_rules[each.key].action == "ALLOW" ? "TRUST_REDIRECTION_DOMAIN" : null
}

# By default, the VPC resolves nothing while the firewall does not answer.
resource "aws_route53_resolver_firewall_rule_group_association" "this" {
  for_each = local.dns_firewall

  name                   = local.name
  firewall_rule_group_id = aws_route53_resolver_firewall_rule_group.this[each.key].id
  priority               = 101 # AWS keeps 100 and below for Firewall Manager
  vpc_id                 = local.vpc_id

  # A VPC without the first rule would resolve nothing.
  depends_on = [aws_route53_resolver_firewall_rule.this]
}
