package main

// spec is one server that eslab can boot, or a door before one.
type spec struct {
	name     string
	artifact string // key of artifacts
	product  string // for messages
	heap     string
	ca       string // the authority that signs its certificate; none: plain http
	trusts   string // the authority its reindex trusts
	apiKeys  bool
	java     javaRange
	boot     func(*boot) error
	members  int    // nodes of its cluster, where it has more than one
	before   string // a door: the server that it stands before
}

// serverNames is the catalogue's order: the newest servers, which most tests
// need, first.
var serverNames = []string{"source", "target", "es7", "es6", "opensearch", "nodes", "streams", "serverless"}

// The source must not trust the target's authority: tests want to see what a
// server answers then. The old servers crash at start on Java 24 and newer,
// which has no security manager any more. They have no API keys either: version
// 6 wants a licence for them, and the build of 7 lacks the module
// analysis-common, without which it cannot make the index of the keys.
var catalogue = map[string]spec{
	"source": {
		name: "source", artifact: "elasticsearch-9.4.3", product: "Elasticsearch 9.4.3",
		heap: "1g", ca: "source", apiKeys: true,
		java: javaRange{min: 21}, boot: bootElasticsearch,
	},
	"target": {
		name: "target", artifact: "elasticsearch-9.4.3", product: "Elasticsearch 9.4.3",
		heap: "1g", ca: "target", trusts: "source", apiKeys: true,
		java: javaRange{min: 21}, boot: bootElasticsearch,
	},
	"es7": {
		name: "es7", artifact: "elasticsearch-7.17.29", product: "Elasticsearch 7.17.29",
		heap: "512m", ca: "source",
		java: javaRange{min: 11, max: 23, prefer: 17}, boot: bootElasticsearch,
	},
	"es6": {
		name: "es6", artifact: "elasticsearch-6.8.23", product: "Elasticsearch 6.8.23",
		heap: "512m", ca: "source",
		java: javaRange{min: 11, max: 23, prefer: 17}, boot: bootElasticsearch,
	},
	"opensearch": {
		name: "opensearch", artifact: "opensearch-3.8.0", product: "OpenSearch 3.8",
		heap: "512m", trusts: "source",
		java: javaRange{min: 21}, boot: bootOpenSearch,
	},
	"nodes": {
		name: "nodes", artifact: "elasticsearch-9.4.3", product: "Elasticsearch 9.4.3",
		heap: "512m", ca: "target", trusts: "source", apiKeys: true, members: 2,
		java: javaRange{min: 21}, boot: bootElasticsearch,
	},
	// The doors cost no boot and no memory: they show the target with another
	// face (package door).
	"streams":    {name: "streams", product: "Elasticsearch 9.4.3 with data streams", ca: "target", before: "target"},
	"serverless": {name: "serverless", product: "Elasticsearch Serverless", ca: "target", before: "target"},
}

func artifactsOf(servers []string) []string {
	var names []string
	for _, s := range servers {
		a := catalogue[s].artifact
		if a != "" && (len(names) == 0 || names[len(names)-1] != a) {
			names = append(names, a)
		}
	}
	return names
}
