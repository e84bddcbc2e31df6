# Like prod, but small: what would fail in prod should fail here.
environment        = "staging"
stage              = "staging"
account_id         = "123456789012" # of this environment
log_retention_days = 30
sender_email       = "orders@staging.example.com"
operations_email   = "operations@example.com"
internet           = "nat"       # like prod
operators          = []          # ARNs of who may look at queues, set stock and redrive; AWS refuses ones that do not exist
payment_gateway    = "simulated" # takes no money; stripe with a test key is closer to prod

permissions_boundary = "order-pipeline-boundary-staging" # of terraform/bootstrap

services = {
  order-api    = { min = 2, desired = 2, max = 4 }
  relay        = { min = 1, desired = 2, max = 2 }
  orders       = { max = 4, spot_share = 50 }
  payment      = { max = 4 }
  inventory    = { max = 4, spot_share = 50 }
  notification = { max = 4, spot_share = 50 }
  analytics    = { min = 0, desired = 0, max = 2, spot_share = 100, acceptable_latency = 600 }
}
