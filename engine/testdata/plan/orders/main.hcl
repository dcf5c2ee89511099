component_template "base" {
  template = { mappings = { properties = { "@timestamp" = { type = "date" } } } }
}

index_template "orders" {
  index_patterns = ["orders-*"]
  composed_of    = [component_template.base.name]
  priority       = 200
  template       = { settings = { default_pipeline = ingest_pipeline.orders.name } }
}

index "orders" {
  name       = "orders-2026"
  mappings   = { properties = { n = { type = "long" }, word = { type = "keyword" } } }
  depends_on = [index_template.orders]
}

migration "orders" {
  source { index = "src" }
  dest   { index = index.orders.name }
  verify = "count"
}

ingest_pipeline "orders" {
  processors = [{ set = { field = "seen", value = true } }]
}

alias "orders" {
  name       = "orders"
  index      = index.orders.name
  depends_on = [migration.orders]
}
