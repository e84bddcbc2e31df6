# What Fargate and scaling accept. AWS would refuse it too, but in the middle of an apply.

locals {
  # By processor units: the least and the most memory (MiB), and the step between.
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
      error_message = "${each.key}: Fargate has no task of ${each.value.cpu} cpu units and ${each.value.memory} MiB"
    }
    precondition {
      condition     = each.value.min >= 0 && each.value.min <= each.value.desired && each.value.desired <= each.value.max && each.value.max >= 1
      error_message = "${each.key}: ${each.value.min} <= ${each.value.desired} <= ${each.value.max} is not an order of min, desired and max tasks"
    }
    precondition {
      # Nothing starts what has no queue: no message can ask for it.
      condition     = each.value.min >= 1 || contains(keys(local.consumers), each.key)
      error_message = "${each.key}: has no queue to start it, so min must be 1 or more"
    }
  }
}
