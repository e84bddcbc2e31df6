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

  lifecycle {
    precondition {
      condition     = var.stage == "development" || local.state_encrypted
      error_message = "The state holds secrets (the keys of CloudFront, Cognito's client secret), and this backend does not encrypt it. Use the bucket of terraform/bootstrap with encrypt = true: environments/${var.environment}.s3.tfbackend. Only development may do without."
    }
  }
}

locals {
  # `terraform init` leaves the arguments of the backend here. Without this file there is no backend: the
  # configuration is not initialised, or a test has replaced the backend.
  # TF_DATA_DIR moves the file; then nothing is checked here.
  backend_file    = "${path.root}/.terraform/terraform.tfstate"
  backend         = fileexists(local.backend_file) ? try(jsondecode(file(local.backend_file)).backend, null) : null
  state_encrypted = local.backend == null ? true : local.backend.type == "s3" && try(local.backend.config.encrypt == true, false)

  own      = "${var.environment} in ${var.region}, account ${var.account_id}"
  state_of = terraform_data.state_of.input
}
