terraform {
  # 1.11: state in S3 is locked without a table, and tests say what is known before an apply.
  required_version = ">= 1.11, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # Where the state is: see README.md.
}
