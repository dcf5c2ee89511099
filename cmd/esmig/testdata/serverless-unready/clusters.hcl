esmig {
  source = cluster.old
  target = cluster.new
}

variable "source" {
  type        = string
  description = "Address of the cluster that is left"
}

variable "source_api_key" {
  type      = string
  sensitive = true
}

variable "target" {
  type        = string
  description = "Address of the Serverless project"
}

variable "target_api_key" {
  type      = string
  sensitive = true
}

cluster "old" {
  endpoint = var.source
  api_key  = var.source_api_key
}

cluster "new" {
  endpoint = var.target
  api_key  = var.target_api_key
}
