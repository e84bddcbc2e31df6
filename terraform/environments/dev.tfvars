# One of each, cheap, and easy to take away again.
environment         = "dev"
image_tag           = "v0.1.0" # a deployment overrides it: -var image_tag=...
allow_simulation    = true
deletion_protection = false
log_level           = "debug"
log_retention_days  = 7
sender_email        = "orders@example.com"
operations_email    = "operations@example.com"
