terraform {
  # 1.9 lets one variable's validation name another; 1.10 locks S3 state without a table.
  required_version = ">= 1.10, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # Where the state is, is said at `terraform init -backend-config=...`: see README.md.
}
