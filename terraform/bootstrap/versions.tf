# Created once per account, before any environment: the bucket of the states, the image registry, and
# the roles of the workflows on GitHub. docs/DELIVERY.md has the commands.

terraform {
  required_version = ">= 1.11, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region      = var.region
  max_retries = var.max_retries

  default_tags {
    tags = {
      Project   = "order-pipeline"
      ManagedBy = "terraform"
    }
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  # Start of every name here. Names of an environment start with its own name: dev-order-pipeline.
  name = "order-pipeline"
}
