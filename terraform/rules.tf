# The rules of the map that only Terraform can enforce in time: AWS would accept a map that breaks
# them, and the system would misbehave. workers/topology_rules.py has all rules, these with the same
# messages. A test compares both. This file, topology.tf and variables.tf need no provider.

resource "terraform_data" "map" {
  lifecycle {
    precondition {
      condition     = length(local.incomplete) == 0
      error_message = join("; ", local.incomplete)
    }
    precondition {
      condition     = length(local.not_on_the_map) == 0
      error_message = join("; ", local.not_on_the_map)
    }
  }
}

resource "terraform_data" "rules" {
  for_each = local.services

  lifecycle {
    precondition {
      condition     = length(local.unpublished[each.key]) == 0
      error_message = "${each.key}: no service publishes ${join(", ", local.unpublished[each.key])}"
    }
    precondition {
      # With less than 30 s, a renewal could come too late to keep a message invisible.
      condition     = try(floor(each.value.visibility_timeout) == each.value.visibility_timeout && each.value.visibility_timeout >= 30 && each.value.visibility_timeout <= 43200, false)
      error_message = "${each.key}: visibility_timeout is ${jsonencode(each.value.visibility_timeout)}, must be an integer from 30 to 43200"
    }
    precondition {
      # SQS keeps the original enqueue time of a message that it moves to the dead-letter queue.
      condition     = each.value.retention < each.value.dlq_retention
      error_message = "${each.key}: dlq_retention (${each.value.dlq_retention} s) must be longer than retention (${each.value.retention} s)"
    }
  }
}

locals {
  incomplete = [
    for name, fields in local.missing_fields : "${name}: missing field ${join(", ", fields)}"
    if length(fields) > 0
  ]
  not_on_the_map = [
    for variable, names in {
      image_tags   = setsubtract(keys(var.image_tags), keys(local.topology.services))
      owner_alerts = setsubtract(keys(var.owner_alerts), [for service in local.services : service.owner])
      services     = setsubtract(keys(var.services), keys(local.topology.services))
      table_names  = setsubtract(keys(var.table_names), keys(local.topology.tables))
    } : "${variable}: not on the map: ${join(", ", names)}" if length(names) > 0
  ]
  published = flatten([for service in local.topology.services : try(service.publishes, [])])
  unpublished = {
    for name, service in local.services : name => sort(setsubtract(service.consumes, local.published))
  }
}
