package migration

import (
	"maps"
	"strconv"
	"strings"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
)

// remoteBlock is source.remote of a reindex. It holds secrets: it may only be
// sent. An API key travels in its own field where the destination knows it
// (Elasticsearch 9.3, Serverless) and as a header elsewhere.
func remoteBlock(cfg providers.ClusterConfig, host string, dest providers.Info) object {
	r := object{"host": host, "connect_timeout": "30s", "socket_timeout": "2m"}
	headers := maps.Clone(cfg.Headers)
	switch {
	case cfg.APIKey != "":
		key := elasticsearch.EncodedAPIKey(cfg.APIKey)
		maps.DeleteFunc(headers, func(k, _ string) bool { return strings.EqualFold(k, "Authorization") })
		if takesAPIKey(dest) {
			r["api_key"] = key
			break
		}
		if headers == nil {
			headers = map[string]string{}
		}
		headers["Authorization"] = "ApiKey " + key
	case cfg.Username != "":
		r["username"], r["password"] = cfg.Username, cfg.Password
	}
	if len(headers) > 0 {
		r["headers"] = headers
	}
	return r
}

func takesAPIKey(i providers.Info) bool {
	switch i.Flavor {
	case providers.Serverless:
		return true
	case providers.OpenSearch:
		return false
	}
	return atLeast(i.Version, 9, 3)
}

func atLeast(version string, major, minor int) bool {
	a, rest, _ := strings.Cut(version, ".")
	b, _, _ := strings.Cut(rest, ".")
	x, _ := strconv.Atoi(a)
	y, _ := strconv.Atoi(b)
	return x > major || x == major && y >= minor
}
