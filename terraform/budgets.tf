# The monthly budget. The alert topic is notified when it is nearly spent or forecast to be exceeded.
# It counts costs by the tag Environment, which must be activated as a cost allocation tag.

resource "aws_budgets_budget" "this" {
  for_each = toset(var.monthly_budget == null ? [] : ["this"])

  name         = local.name
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(var.monthly_budget)
  limit_unit   = "USD"

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:Environment$%s", var.environment)] # "$${" would be a literal "${"
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 } # percent

    content {
      comparison_operator       = "GREATER_THAN"
      notification_type         = notification.key
      subscriber_sns_topic_arns = [aws_sns_topic.alerts.arn]
      threshold                 = notification.value
      threshold_type            = "PERCENTAGE"
    }
  }

  # AWS refuses the budget unless the topic lets it publish.
  depends_on = [aws_sns_topic_policy.alerts]
}
