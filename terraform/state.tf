# Each environment has a state of its own: `terraform init -reconfigure
# -backend-config=environments/dev.s3.tfbackend` selects it. This file, topology.tf, rules.tf and
# variables.tf need no provider.

# What the state was made for. It never changes, so the variables of another environment, or of
# another account or region, do not match.
resource "terraform_data" "state_of" {
  input = local.own

  lifecycle {
    ignore_changes = [input]
  }
}

# An error in an expression stops destroy too, which only warns of a condition that does not hold.
resource "terraform_data" "state_matches" {
  input = tobool(local.state_of == local.own ? true : "This is the state of ${local.state_of}, and the variables are of ${local.own}. Run: terraform init -reconfigure -backend-config=environments/${var.environment}.s3.tfbackend")
}

locals {
  own      = "${var.environment} in ${var.region}, account ${var.account_id}"
  state_of = terraform_data.state_of.input
}
