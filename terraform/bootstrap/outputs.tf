output "state_bucket" {
  description = "Bucket of the states."
  value       = aws_s3_bucket.state.id
}

output "repository_url" {
  description = "URL of the repository of the worker image; null if another account has it."
  value       = one([for repository in aws_ecr_repository.worker : repository.repository_url])
}

output "github_roles" {
  description = "By environment on GitHub: the ARN of its role. Set each as the variable AWS_ROLE of that environment."
  value       = { for role, name in local.roles : name => aws_iam_role.github[role].arn }
}

output "permissions_boundaries" {
  description = "By environment: the policy that limits the roles that a deployment creates. The variable permissions_boundary of the environment."
  value       = { for name, policy in aws_iam_policy.boundary : name => policy.arn }
}
