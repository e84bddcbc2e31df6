# What a map must not do: the rules of workers/topology_rules.py in the same order and the same
# words, and a test that keeps it so. This file, topology.tf and variables.tf need no provider.
#
# `can` and `try` stand where && would do: until Terraform 1.12 it evaluates both of its sides.

resource "terraform_data" "map" {
  lifecycle {
    precondition {
      condition     = can(keys(local.topology))
      error_message = "the map must be an object"
    }
    precondition {
      condition     = try(sort(keys(local.topology)) == tolist(["events", "services", "tables", "topic"]), true)
      error_message = "the map has topic, events, tables and services, and nothing else"
    }
    precondition {
      condition     = can(regex("^\"[A-Za-z0-9_-]{1,100}\"$", jsonencode(local.topology.topic)))
      error_message = "topic must be 1 to 100 letters, digits, hyphens and underscores"
    }
    precondition {
      condition     = try(alltrue([for event in local.topology.events : can(regex("^\"", jsonencode(event)))]) && length(distinct(local.topology.events)) == length(local.topology.events), false)
      error_message = "events must be a list of event types, each once"
    }
    precondition {
      condition     = try(alltrue([for name in keys(local.topology.tables) : contains(["{\"outbox\":true}", "{\"outbox\":false}"], jsonencode(local.topology.tables[name]))]), false)
      error_message = "tables must be an object; each says outbox, true or false, and nothing else"
    }
    precondition {
      condition     = can(keys(local.topology.services))
      error_message = "services must be an object"
    }

    # Capacity of what is not there is a slip of the pen.
    precondition {
      condition     = length(setsubtract(keys(var.services), keys(local.raw_services))) == 0
      error_message = "services: not on the map: ${join(", ", setsubtract(keys(var.services), keys(local.raw_services)))}"
    }
  }
}

locals {
  raw_services = try({ for name in keys(local.topology.services) : name => local.topology.services[name] }, {})
  known_events = try([for event in local.topology.events : regex("^\"(.*)\"$", jsonencode(event))[0]], [])
  published    = toset(flatten([for service in local.services : service.publishes]))

  known_fields = [
    "concurrency", "consumes", "dlq_retention", "max_attempts", "publishes", "retention",
    "sends_email", "table", "visibility_timeout",
  ]
}

resource "terraform_data" "rules" {
  for_each = local.services

  lifecycle {
    precondition {
      condition     = can(keys(local.raw_services[each.key]))
      error_message = "${each.key}: must be an object"
    }
    precondition {
      condition     = can(regex("^[a-z][a-z0-9-]{0,31}$", each.key))
      error_message = "${each.key}: a name is 1 to 32 lower-case letters, digits and hyphens, a letter first"
    }
    precondition {
      condition     = try(length(setsubtract(keys(local.raw_services[each.key]), local.known_fields)) == 0, true)
      error_message = "${each.key}: unknown field ${join(", ", sort(setsubtract(try(keys(local.raw_services[each.key]), []), local.known_fields)))}"
    }
    precondition {
      condition = try(alltrue([
        for list in [local.raw_services[each.key].consumes, local.raw_services[each.key].publishes] :
        can(regex("^\\[(\"[^\"]*\",?)*\\]$", jsonencode(list)))
      ]), !can(keys(local.raw_services[each.key])))
      error_message = "${each.key}: consumes and publishes must be lists of event types"
    }
    precondition {
      condition     = length(setsubtract(concat(each.value.consumes, each.value.publishes), local.known_events)) == 0
      error_message = "${each.key}: unknown event ${join(", ", sort(setsubtract(concat(each.value.consumes, each.value.publishes), local.known_events)))}"
    }
    precondition {
      condition     = length(setsubtract(each.value.consumes, local.published)) == 0
      error_message = "${each.key}: nobody publishes ${join(", ", sort(setsubtract(each.value.consumes, local.published)))}"
    }
    precondition {
      condition     = try(contains(keys(local.topology.tables), local.raw_services[each.key].table), !can(keys(local.raw_services[each.key])))
      error_message = "${each.key}: table ${try(jsonencode(local.raw_services[each.key].table), "null")} is not in tables"
    }
    precondition {
      # Below, renewals of what is in work come too late.
      condition     = try(local.whole[each.key].visibility_timeout >= 30 && local.whole[each.key].visibility_timeout <= 43200, false)
      error_message = "${each.key}: visibility_timeout is ${jsonencode(each.value.visibility_timeout)}, must be a whole number from 30 to 43200"
    }
    precondition {
      condition     = try(local.whole[each.key].max_attempts >= 1 && local.whole[each.key].max_attempts <= 100, false)
      error_message = "${each.key}: max_attempts is ${jsonencode(each.value.max_attempts)}, must be a whole number from 1 to 100"
    }
    precondition {
      condition     = try(local.whole[each.key].concurrency >= 1 && local.whole[each.key].concurrency <= 200, false)
      error_message = "${each.key}: concurrency is ${jsonencode(each.value.concurrency)}, must be a whole number from 1 to 200"
    }
    precondition {
      condition     = try(local.whole[each.key].retention >= 60 && local.whole[each.key].retention <= 1209600, false)
      error_message = "${each.key}: retention is ${jsonencode(each.value.retention)}, must be a whole number from 60 to 1209600"
    }
    precondition {
      condition     = try(local.whole[each.key].dlq_retention >= 60 && local.whole[each.key].dlq_retention <= 1209600, false)
      error_message = "${each.key}: dlq_retention is ${jsonencode(each.value.dlq_retention)}, must be a whole number from 60 to 1209600"
    }
    precondition {
      # The clock of a message goes on in the dead-letter queue that SQS moves it to.
      condition     = try(local.whole[each.key].retention < local.whole[each.key].dlq_retention, true)
      error_message = "${each.key}: dlq_retention (${jsonencode(each.value.dlq_retention)} s) must be longer than retention (${jsonencode(each.value.retention)} s)"
    }
    precondition {
      condition     = contains(["true", "false"], jsonencode(each.value.sends_email))
      error_message = "${each.key}: sends_email is ${jsonencode(each.value.sends_email)}, not true or false"
    }
  }
}

locals {
  # The numbers that are whole numbers; the others are absent, so that asking for one fails.
  whole = {
    for name, service in local.services : name => {
      for field in ["visibility_timeout", "max_attempts", "concurrency", "retention", "dlq_retention"] :
      field => tonumber(service[field]) if can(regex("^-?[0-9]+$", jsonencode(service[field])))
    }
  }
}
