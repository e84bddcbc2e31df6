# One table for each table of the map, with a key and a time to live. The table with the outbox also
# has an index of the events that are not yet published.

resource "aws_dynamodb_table" "this" {
  #checkov:skip=CKV_AWS_119:encrypted with DynamoDB's key in this account, aws/dynamodb; nobody else needs the key
  for_each = local.topology.tables

  name                        = local.table_names[each.key]
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = var.deletion_protection
  hash_key                    = "pk"
  tags                        = { Owner = local.table_owners[each.key] }

  attribute {
    name = "pk"
    type = "S"
  }

  # Publishing a row removes these two attributes, and so removes the row from the index.
  dynamic "attribute" {
    for_each = each.value.outbox ? ["outboxShard", "outboxOrder"] : []

    content {
      name = attribute.value
      type = "S"
    }
  }

  dynamic "global_secondary_index" {
    for_each = each.value.outbox ? ["outbox"] : []

    content {
      name            = global_secondary_index.value
      hash_key        = "outboxShard"
      range_key       = "outboxOrder"
      projection_type = "ALL"
    }
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }

  ttl {
    attribute_name = "expires"
    enabled        = true
  }
}
