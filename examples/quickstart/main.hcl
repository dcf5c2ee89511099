# Moves the flights of one cluster to another one: first what must be there
# before the data, then the data, and only then the pipeline, so that no
# document runs through it twice.

esmig {
  required_version = ">= 0.1"
  source           = cluster.hosted
  target           = cluster.target
}

cluster "hosted" {
  endpoint = var.source_endpoint
  api_key  = var.source_api_key
  ca_file  = var.source_ca_file
}

cluster "target" {
  endpoint = var.target_endpoint
  api_key  = var.target_api_key
  ca_file  = var.target_ca_file
}

component_template "base" {
  name = "flights-base"
  template = {
    settings = { number_of_replicas = 0 }
    mappings = {
      dynamic = "strict"
      properties = {
        time_hour = { type = "date" }
        carrier   = { type = "keyword" }
        flight    = { type = "integer" }
        tailnum   = { type = "keyword" }
        origin    = { type = "keyword" }
        dest      = { type = "keyword" }
      }
    }
  }
}

index_template "flights" {
  index_patterns = ["flights-*"]
  composed_of    = [component_template.base.name]
  priority       = 200
  template       = jsondecode(file("templates/flights.json"))
}

index "flights" {
  name       = "flights-2013"
  depends_on = [index_template.flights]
  settings   = { default_pipeline = ingest_pipeline.flights.name }
  # This is a demonstration that is taken down again with esmig destroy.
  deletion_protection = false
}

migration "flights" {
  source {
    index = "flights"
  }
  dest {
    index = index.flights.name
  }
}

# Made after the data: what is copied was transformed at the source already.
ingest_pipeline "flights" {
  description = "Marks what was written here and not at the source"
  processors = [
    { set = { field = "written_to", value = "target" } },
  ]
}

output "documents_are_in" {
  value = index.flights.name
}
