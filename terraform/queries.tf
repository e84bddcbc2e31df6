# Saved queries of Logs Insights, for the log groups of all services. The names of fields are those of
# the log lines; tests/process/test_queries.py compares them with real lines.

locals {
  query_groups = [for name in sort(keys(local.services)) : "${local.log_group_prefix}${name}"]

  queries = {
    # Set the id first: of an order, or the correlationId of any of its events.
    "Story of one order" = <<-TEXT
      fields @timestamp, service, event, eventType, outcome, durationMs, receiveCount, errorType, reason
      | filter orderId = "ID" or correlationId = "ID"
      | sort @timestamp asc
      | limit 1000
    TEXT

    "Top errors by handler" = <<-TEXT
      filter event = "message.settled" and ispresent(errorType)
      | stats count(*) as failures, max(reason) as example by service, eventType, errorType
      | sort failures desc
      | limit 50
    TEXT

    "Duplicates per hour" = <<-TEXT
      filter event = "message.settled" and outcome = "repeated"
      | stats count(*) as duplicates by bin(1h), service
    TEXT

    "Slowest handlers by type" = <<-TEXT
      filter event = "message.settled"
      | stats count(*) as messages, pct(durationMs, 50) as p50, pct(durationMs, 99) as p99, max(durationMs) as slowest by service, eventType
      | sort p99 desc
    TEXT

    "Messages received often" = <<-TEXT
      filter event = "message.settled" and receiveCount >= 3
      | stats count(*) as receives, max(receiveCount) as most, max(reason) as example by service, eventId
      | sort most desc
      | limit 50
    TEXT
  }
}

resource "aws_cloudwatch_query_definition" "this" {
  for_each = local.queries

  name            = "${local.name}/${each.key}"
  log_group_names = local.query_groups
  query_string    = each.value

  # The names are known without them, but a query on a missing group fails.
  depends_on = [module.service]
}
