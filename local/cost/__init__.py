"""What a consumer costs on AWS."""
