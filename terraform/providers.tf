provider "aws" {
  region      = var.region
  max_retries = var.max_retries

  default_tags {
    tags = local.tags
  }
}
