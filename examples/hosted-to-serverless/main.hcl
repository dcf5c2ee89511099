# Moves a hosted deployment into a Serverless project, as Elastic's guide
# "Migrate data using the reindex API" does by hand: first what must be there
# before the data, then the data, one call per index, then the pipelines, and
# at the end what is left to do in Kibana. docs/guide.md holds the guide and
# esmig next to each other, sentence by sentence.
#
#     export ESMIG_VAR_source_endpoint=https://DEPLOYMENT.es.us-east-1.aws.found.io
#     export ESMIG_VAR_target_endpoint=https://PROJECT.es.us-east-1.aws.elastic.cloud
#     export ESMIG_VAR_source_api_key=… ESMIG_VAR_target_api_key=…
#     esmig plan
#     esmig apply
#
# Both addresses are copied in the Elastic Cloud console ("Copy endpoint" beside
# Elasticsearch, not Kibana's); a port that is left out is 443. variables.hcl
# says how to make a key for each side that may do just this.
#
# What is at the source: an index for each month, an index of carriers, and a
# data stream under the lifecycle policy "flights-live". The policy stays there,
# for Serverless has none: what it did is the lifecycle of index_template.live.

esmig {
  required_version = ">= 0.1"
  source           = cluster.hosted
  target           = cluster.project
}

cluster "hosted" {
  endpoint = var.source_endpoint
  api_key  = var.source_api_key
  ca_file  = var.source_ca_file
}

cluster "project" {
  endpoint = var.target_endpoint
  api_key  = var.target_api_key
  ca_file  = var.target_ca_file
}

# Before the data. The number of shards and replicas is Serverless' own affair,
# so nothing here names one.

component_template "base" {
  name = "flights-base"
  template = {
    mappings = {
      dynamic = "strict"
      properties = {
        time_hour = { type = "date" }
        carrier   = { type = "keyword" }
        airline   = { type = "text" }
        flight    = { type = "integer" }
        tailnum   = { type = "keyword" }
        origin    = { type = "keyword" }
        dest      = { type = "keyword" }

        dep_time       = { type = "short" }
        sched_dep_time = { type = "short" }
        dep_delay      = { type = "short" }
        arr_time       = { type = "short" }
        sched_arr_time = { type = "short" }
        arr_delay      = { type = "short" }
        air_time       = { type = "short" }
        distance       = { type = "short" }

        late       = { type = "boolean" } # of the pipelines below
        written_to = { type = "keyword" }
      }
    }
  }
}

index_template "months" {
  name           = "flights-months"
  index_patterns = ["flights-2013-*"]
  composed_of    = [component_template.base.name]
  priority       = 200
  template = {
    # Withheld until the data is in: what is copied was transformed at the
    # source already.
    settings = { default_pipeline = ingest_pipeline.written_here.name }
  }
}

index_template "live" {
  name           = "flights-live"
  index_patterns = ["flights-live"]
  composed_of    = [component_template.base.name]
  priority       = 200
  data_stream    = {}
  template = {
    # Stays in place while the data is copied, for the pipeline is there before
    # it: whoever writes to the new stream already gets it.
    settings = { default_pipeline = ingest_pipeline.late.name }
    mappings = { properties = { "@timestamp" = { type = "date" } } }
    # At the source the policy "flights-live" rolls over each 30 days and deletes
    # after 365; a lifecycle rolls over by itself. The 365 days begin anew with
    # the copy: they count from the rollover of its one backing index.
    lifecycle = { data_retention = "365d" }
  }
}

index "month" {
  for_each   = toset(var.months)
  name       = "flights-${each.key}"
  depends_on = [index_template.months]
  # This is a demonstration that is taken down again with esmig destroy.
  deletion_protection = false
}

index "carriers" {
  mappings = {
    dynamic = "strict"
    properties = {
      code = { type = "keyword" }
      name = { type = "text" }
    }
  }
  deletion_protection = false
}

data_stream "live" {
  name                = "flights-live"
  depends_on          = [index_template.live]
  deletion_protection = false
}

alias "flights" {
  index = [for m in var.months : index.month[m].name]
}

# The data, each index by a call of its own.

migration "month" {
  for_each = toset(var.months)
  source {
    index = "flights-${each.key}"
  }
  dest {
    index = index.month[each.key].name
  }
}

migration "carriers" {
  source {
    index = "carriers"
  }
  dest {
    index = index.carriers.name
  }
}

migration "live" {
  source {
    index = "flights-live"
  }
  dest {
    index = data_stream.live.name
  }
}

# Before the data after all: it only adds what can be computed again and again,
# and writers must not miss it. The copy does not run through it either way.
ingest_pipeline "late" {
  name        = "flights-late"
  description = "Says of each flight whether it left late"
  when        = "before_data"
  processors = [
    { set = { field = "late", value = true, if = "ctx.dep_delay != null && ctx.dep_delay > 15" } },
  ]
}

# After the data.
ingest_pipeline "written_here" {
  name        = "flights-written-here"
  description = "Marks what was written here and not at the source"
  processors = [
    { set = { field = "written_to", value = "project" } },
  ]
}

output "months" {
  value = [for m in var.months : index.month[m].name]
}
