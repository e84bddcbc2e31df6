# One task per service: cheap and easy to destroy.
environment         = "dev"
image_tag           = "v0.1.0" # a deployment overrides it: -var image_tag=...
allow_simulation    = true
deletion_protection = false
log_level           = "debug"
log_retention_days  = 7
sender_email        = "orders@example.com"
operations_email    = "operations@example.com"
