# 30 days of logs, the later ones on cheaper machines.
ilm_policy "logs" {
  name = "logs-30d"
  policy = {
    phases = {
      hot = {
        actions = {
          rollover     = { max_age = "1d", max_primary_shard_size = "50gb" }
          set_priority = { priority = 100 }
        }
      }
      warm = {
        min_age = "7d"
        actions = {
          shrink     = { number_of_shards = 1 }
          forcemerge = { max_num_segments = 1 }
          allocate   = { number_of_replicas = 0 }
          readonly   = {}
        }
      }
      delete = {
        min_age = "30d"
        actions = {
          wait_for_snapshot = { policy = "nightly" }
          delete            = {}
        }
      }
    }
  }
}

ilm_policy "metrics" {
  name   = "metrics"
  policy = jsondecode(file("templates/policy.json"))
}

# Audits are kept for ten years.
ilm_policy "audit" {
  policy = { phases = { hot = { actions = { rollover = { max_age = "30d" } } }, delete = { min_age = "3650d", actions = { delete = {} } } } }
}
