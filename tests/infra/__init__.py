"""What Terraform makes, made for real on the embedded AWS, and run."""
