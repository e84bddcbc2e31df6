# A large shop on a busy day. desired applies when a service is created. Afterwards scaling sets the
# count between min and max; change those to scale by hand.
environment        = "prod"
stage              = "production"
account_id         = "123456789012" # of this environment
log_retention_days = 365
sender_email       = "orders@example.com"
operations_email   = "operations@example.com"
internet           = "nat"    # payment calls the provider, order-api fetches the keys of the tokens
operators          = []       # ARNs of who may look at queues, set stock and redrive; AWS refuses ones that do not exist
payment_gateway    = "stripe" # docs/PAYMENT.md

permissions_boundary = "order-pipeline-boundary-prod" # of terraform/bootstrap

availability_zones   = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
customer_managed_key = true
deletion_protection  = true

alert_emails   = ["oncall@example.com"]
api_burst      = 2000
api_rate       = 1000
audit_queues   = true
monthly_budget = 10000

requests_per_minute = 30000 # half of api_rate: no caller takes all of it

services = {
  order-api = { cpu = 1024, memory = 2048, min = 3, desired = 6, max = 40 }
  relay     = { cpu = 512, memory = 1024, min = 2, desired = 2, max = 4 }
  orders    = { cpu = 512, memory = 1024, min = 2, desired = 20, max = 100, handling_ms = 60, spot_share = 50 }

  # Payments must be quick, and must not run on Spot capacity, which AWS can reclaim.
  payment = {
    cpu = 512, memory = 1024, min = 10, desired = 100, max = 200, acceptable_latency = 10, handling_ms = 400

    # From the evening of the fourth Thursday of November, the day before Black Friday.
    schedules = {
      black-friday = { at = "cron(0 20 ? 11 5#4 *)", min = 100, max = 400, timezone = "Europe/Berlin" }
      december     = { at = "cron(0 6 4 12 ? *)", min = 10, max = 200, timezone = "Europe/Berlin" }
    }
    secrets = { STRIPE_API_KEY = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/stripe-AbCdEf" }
  }

  inventory    = { cpu = 512, memory = 1024, min = 4, desired = 40, max = 120, handling_ms = 80, spot_share = 50 }
  notification = { cpu = 256, memory = 512, min = 4, desired = 500, max = 800, acceptable_latency = 120, handling_ms = 300, spot_share = 80 }
  analytics    = { cpu = 256, memory = 512, min = 1, desired = 10, max = 100, acceptable_latency = 600, handling_ms = 60, spot_share = 100 }
}
