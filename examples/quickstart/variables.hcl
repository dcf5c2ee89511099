variable "source_endpoint" {
  type        = string
  description = "Address of the Elasticsearch cluster that holds the documents"
}

variable "source_api_key" {
  type        = string
  sensitive   = true
  description = "A key that may monitor the cluster and read the index is enough"
}

variable "source_ca_file" {
  type    = string
  default = null
}

variable "target_endpoint" {
  type        = string
  description = "Address of the cluster that gets the documents"
}

variable "target_api_key" {
  type      = string
  sensitive = true
}

variable "target_ca_file" {
  type    = string
  default = null
}
