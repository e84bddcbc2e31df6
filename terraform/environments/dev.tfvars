# One task per service: cheap and easy to destroy.
environment         = "dev"
stage               = "development"
account_id          = "123456789012" # of this environment
allow_simulation    = true
deletion_protection = false
log_level           = "debug"
payment_gateway     = "simulated" # takes no money
log_retention_days  = 7
sender_email        = "orders@example.com"
operations_email    = "operations@example.com"
internet            = "nat-only" # the cheapest; order-api fetches the keys of the tokens
operators           = []         # ARNs of who may look at queues, set stock and redrive; AWS refuses ones that do not exist

permissions_boundary = "order-pipeline-boundary-dev" # of terraform/bootstrap
