terraform {
  # 1.11 locks state in S3 without a table, and its tests can override values during a plan.
  required_version = ">= 1.11, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # environments/*.s3.tfbackend have the arguments.
  backend "s3" {}
}
