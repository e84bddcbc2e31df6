# Tags by which the bill can be divided. AWS refuses to activate a key that it has not seen on a resource
# for up to 24 hours, and refuses every account but the payer: a management account, or one outside
# of organizations. So none is activated at first.
# https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activating-tags.html

resource "aws_ce_cost_allocation_tag" "this" {
  for_each = var.cost_allocation_tags

  tag_key = each.key
  status  = "Active"
}
