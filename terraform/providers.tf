provider "aws" {
  allowed_account_ids = [var.account_id]
  max_retries         = var.max_retries
  region              = var.region

  default_tags {
    tags = local.tags
  }
}

# What belongs to CloudFront has to be in this region.
provider "aws" {
  alias = "us_east_1"

  allowed_account_ids = [var.account_id]
  max_retries         = var.max_retries
  region              = "us-east-1"

  default_tags {
    tags = local.tags
  }
}
