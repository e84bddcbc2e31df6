# What the environment may cost a month: who hears the alarms also hears of a budget that is nearly
# spent, or that will not last. It counts by the tag Environment, which the account has to have
# activated for cost allocation.

resource "aws_budgets_budget" "this" {
  for_each = toset(var.monthly_budget == null ? [] : ["this"])

  name         = local.name
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(var.monthly_budget)
  limit_unit   = "USD"

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:Environment$%s", var.environment)] # in quotes, $ before a brace is a dollar
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

  # The topic has to let budgets in, or the budget is refused.
  depends_on = [aws_sns_topic_policy.alerts]
}
