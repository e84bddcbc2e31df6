# Where the one worker image is. A tag that was pushed never means another image.

locals {
  image = join(startswith(var.image_tag, "sha256:") ? "@" : ":", [aws_ecr_repository.worker.repository_url, var.image_tag])
}

resource "aws_ecr_repository" "worker" {
  #checkov:skip=CKV_AWS_136:the image holds no secret; ECR's own key encrypts it
  name                 = local.name
  force_delete         = !var.deletion_protection
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "worker" {
  repository = aws_ecr_repository.worker.name

  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "What lost its tag, or never had one, after a week"
        selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 7 }
        action       = { type = "expire" }
      },
      {
        rulePriority = 2
        description  = "The last 50 releases, so that a rollback finds its image"
        selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 50 }
        action       = { type = "expire" }
      },
    ]
  })
}
