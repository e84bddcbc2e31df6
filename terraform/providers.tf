provider "aws" {
  allowed_account_ids = [var.account_id]
  max_retries         = var.max_retries
  region              = var.region

  default_tags {
    tags = local.tags
  }
}
