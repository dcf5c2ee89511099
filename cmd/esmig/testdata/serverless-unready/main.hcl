# What a team brings along that moves from its own Elasticsearch to Serverless:
# nothing of it is wrong there, and much of it is not available here.

locals {
  # Shared by the plain indices.
  common = {
    number_of_replicas = 1 # one copy is enough
    refresh_interval   = "1s"
    codec              = "best_compression"
  }
}

index "orders" {
  name     = "shop-orders"
  settings = local.common
  mappings = {
    properties = {
      "@timestamp" = { type = "date" }
      customer     = { type = "keyword" }
      total        = { type = "double" }
    }
  }
}

index "customers" {
  name = "shop-customers"
  settings = {
    index = {
      number_of_shards = 3
      # Long lists are paged through.
      max_result_window = 50000

      # Germans are asked for as well.
      analysis = { analyzer = { names = { type = "custom", tokenizer = "standard", filter = ["lowercase"] } } }
    }
    "index.mapping.nested_fields.limit" = 200 # many
  }
  mappings   = jsondecode(file("templates/customers.json"))
  depends_on = [ilm_policy.metrics, index_template.audit]
}

migration "orders" {
  source {
    index = "shop-orders"
  }
  dest {
    index = index.orders.name
  }
}
