# One of each, cheap, and easy to take away again.
environment         = "dev"
allow_simulation    = true
deletion_protection = false
log_level           = "debug"
log_retention_days  = 7
sender_email        = "orders@example.com"
operations_email    = "operations@example.com"
