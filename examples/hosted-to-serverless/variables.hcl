variable "months" {
  type    = list(string)
  default = ["2013-01", "2013-02", "2013-03"]
}

variable "source_endpoint" {
  type        = string
  description = "The Elasticsearch endpoint of the hosted deployment"
}

# A key that may read and no more. In the deployment's Kibana, Developer tools,
# Console:
#
#     POST /_security/api_key
#     {
#       "name": "esmig reads",
#       "expiration": "7d",
#       "role_descriptors": {
#         "esmig_reads": {
#           "cluster": ["monitor"],
#           "indices": [
#             {
#               "names": ["flights-*", "carriers"],
#               "privileges": ["read", "view_index_metadata"]
#             }
#           ]
#         }
#       }
#     }
#
# The value of "encoded" in the answer is the key. The project presents it to
# the deployment, too, when it pulls the documents.
variable "source_api_key" {
  type        = string
  sensitive   = true
  description = "A key that may monitor the deployment and read the indices"
}

variable "source_ca_file" {
  type        = string
  default     = null
  description = "Only for a source with a private CA, which a Serverless project cannot read from by itself"
}

variable "target_endpoint" {
  type        = string
  description = "The Elasticsearch endpoint of the Serverless project; a project has no cloud id"
}

# A key of the project (one of the organisation will not do). In the project's
# Kibana, Developer tools, Console:
#
#     POST /_security/api_key
#     {
#       "name": "esmig writes",
#       "expiration": "7d",
#       "role_descriptors": {
#         "esmig_writes": {
#           "cluster": ["monitor", "manage_index_templates", "manage_ingest_pipelines"],
#           "indices": [
#             {
#               "names": ["flights", "flights-*", "carriers"],
#               "privileges": ["create_index", "manage", "read", "write"]
#             }
#           ]
#         }
#       }
#     }
variable "target_api_key" {
  type        = string
  sensitive   = true
  description = "A key of the project that may make templates, pipelines and the indices, and write to them"
}

variable "target_ca_file" {
  type    = string
  default = null
}
