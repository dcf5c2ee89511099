# Logs are a data stream; the settings that all have stand in a JSON file.
component_template "base" {
  name     = "shop-base"
  template = jsondecode(file("templates/base.json"))
}

index_template "logs" {
  name           = "shop-logs"
  index_patterns = ["shop-logs-*"]
  data_stream    = {}
  priority       = 200
  composed_of    = [component_template.base.name]
  template = {
    settings = { "index.routing.allocation.include._tier_preference" = "data_hot", "index.codec" = "best_compression" }
    mappings = { properties = { message = { type = "text" } } }
  }
}

index_template "metrics" {
  name           = "shop-metrics"
  index_patterns = ["shop-metrics-*"]
  data_stream    = {}
  priority       = 200
  template       = jsondecode(file("templates/metrics.json"))
}

# Once a legacy template, taken over as it was.
index_template "audit" {
  name           = "shop-audit"
  index_patterns = ["shop-audit-*"]
  priority       = 10
  template       = jsondecode(file("templates/audit.json"))
}
