# The limits of Fargate and of scaling. AWS enforces them too, but in the middle of an apply.

locals {
  # Memory sizes (MiB) by CPU units.
  # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
  fargate_memory = {
    "256"   = [512, 1024, 2048]
    "512"   = range(1024, 4096 + 1, 1024)
    "1024"  = range(2048, 8192 + 1, 1024)
    "2048"  = range(4096, 16384 + 1, 1024)
    "4096"  = range(8192, 30720 + 1, 1024)
    "8192"  = range(16384, 61440 + 1, 4096)
    "16384" = range(32768, 122880 + 1, 8192)
  }
}

resource "terraform_data" "capacity" {
  for_each = local.capacity

  lifecycle {
    precondition {
      condition     = contains(lookup(local.fargate_memory, tostring(each.value.cpu), []), each.value.memory)
      error_message = "${each.key}: Fargate has no task size of ${each.value.cpu} CPU units and ${each.value.memory} MiB"
    }
    precondition {
      condition     = each.value.min >= 0 && each.value.min <= each.value.desired && each.value.desired <= each.value.max && each.value.max >= 1
      error_message = "${each.key}: tasks must be 0 <= min (${each.value.min}) <= desired (${each.value.desired}) <= max (${each.value.max}), and max at least 1"
    }
    precondition {
      # Only a message in its queue starts the first task of a service that has scaled to 0.
      condition     = !contains(local.may_sleep, each.key) || contains(keys(local.consumers), each.key)
      error_message = "${each.key}: min must be at least 1, because without a queue nothing starts the first task"
    }
  }
}
