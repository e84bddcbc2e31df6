# Athena can query the archive at once. The partitions follow from their names, so nothing has to
# look for new ones: https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html

locals {
  # Names in Glue: lower-case letters, digits and underscores.
  # https://docs.aws.amazon.com/athena/latest/ug/tables-databases-columns-names.html
  archive_database = replace(lower(local.name), "-", "_")
  archive_table    = "events"
}

resource "aws_glue_catalog_database" "archive" {
  for_each = local.archive

  name        = local.archive_database
  description = "The archive of ${local.name}"
}

resource "aws_glue_catalog_table" "archive" {
  for_each = local.archive

  name          = local.archive_table
  database_name = aws_glue_catalog_database.archive[each.key].name
  description   = "Every event that was published, by the day on which it occurred (UTC) and its type"
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    "EXTERNAL"                     = "TRUE"
    "classification"               = "json"
    "compressionType"              = "gzip"
    "projection.enabled"           = "true"
    "projection.day.type"          = "date"
    "projection.day.format"        = "yyyy-MM-dd"
    "projection.day.range"         = "NOW-${var.archive_days}DAYS,NOW+1DAYS"
    "projection.day.interval"      = "1"
    "projection.day.interval.unit" = "DAYS"
    "projection.type.type"         = "enum"
    "projection.type.values"       = join(",", sort(local.topology.events))
    "storage.location.template"    = "s3://${local.archive_bucket}/events/day=$${day}/type=$${type}/"
  }

  partition_keys {
    name = "day"
    type = "string"
  }
  partition_keys {
    name = "type"
    type = "string"
  }

  storage_descriptor {
    location      = "s3://${aws_s3_bucket.archive[each.key].id}/events/"
    input_format  = "org.apache.hadoop.mapred.TextInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"

    # It reads the camel case of the events into columns without capitals.
    # https://docs.aws.amazon.com/athena/latest/ug/openx-json-serde.html
    ser_de_info {
      serialization_library = "org.openx.data.jsonserde.JsonSerDe"
      parameters            = { "ignore.malformed.json" = "true" }
    }

    dynamic "columns" {
      for_each = ["eventid", "eventtype", "eventversion", "source", "occurredat", "correlationid", "causationid", "traceparent"]

      content {
        name = columns.value
        type = "string"
      }
    }
    columns {
      name = "data"
      type = "struct<orderid:string,customerid:string,paymentid:string,amount:string,totalamount:string,currency:string,reason:string>"
    }
  }
}

resource "aws_athena_workgroup" "archive" {
  for_each = local.archive

  name          = local.archive_name
  description   = "Queries of the archive"
  force_destroy = true # its history of queries

  configuration {
    bytes_scanned_cutoff_per_query     = 107374182400 # 100 GiB, half a dollar
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = false

    result_configuration {
      output_location = "s3://${aws_s3_bucket.archive[each.key].id}/athena/"

      encryption_configuration {
        encryption_option = var.customer_managed_key ? "SSE_KMS" : "SSE_S3"
        kms_key_arn       = one([for key in aws_kms_key.messaging : key.arn])
      }
    }
  }
}

resource "aws_athena_named_query" "archive" {
  for_each = var.archive ? {
    "events of an order" = "SELECT occurredat, eventtype, source, eventid, causationid FROM ${local.archive_table} WHERE day BETWEEN '2026-01-01' AND '2026-01-02' AND data.orderid = 'ORDER_ID' ORDER BY occurredat"
    "events per day"     = "SELECT day, type, count(DISTINCT source || eventid) AS events FROM ${local.archive_table} WHERE day >= '2026-01-01' AND eventid IS NOT NULL GROUP BY day, type ORDER BY day, type"
    "revenue per day" = join(" ", [
      "SELECT day, currency, sum(amount) AS revenue FROM (SELECT DISTINCT day, source, eventid, data.currency AS currency,",
      "CAST(data.amount AS decimal(12,2)) * IF(type = 'payment.refunded', -1, 1) AS amount FROM ${local.archive_table}",
      "WHERE day >= '2026-01-01' AND type IN ('payment.completed', 'payment.refunded')) GROUP BY day, currency ORDER BY day",
    ])
  } : {}

  name      = each.key
  database  = aws_glue_catalog_database.archive["this"].name
  workgroup = aws_athena_workgroup.archive["this"].id
  query     = each.value
}
