// Package elasticsearch connects to Elasticsearch, Elasticsearch Serverless and
// OpenSearch, and holds the kinds of objects that live there, one file each.
//
// Start reading at client.go (one request, from the caller to the socket),
// then rest.go (what most kinds are made of) and ingest_pipeline.go (the
// smallest kind). Bodies travel as the user wrote them; only comparisons use
// the canonical form of canonical.go.
package elasticsearch
