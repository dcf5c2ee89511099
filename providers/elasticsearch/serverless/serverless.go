// Package serverless says what Elasticsearch Serverless has and what it lacks:
// endpoints with their query parameters, index settings, and what the server
// answers to the rest. All of it is data, in serverless.tsv, where its source
// and date stand; planning, checking, the fake server and the lab's front door
// read the same.
//
// Whether a server is Serverless says its flavor (providers.Info), never its
// version. Nothing here talks to a server.
package serverless

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed serverless.tsv
var list string

// Endpoint is one path of the API with the methods that have the same
// parameters.
type Endpoint struct {
	Methods []string
	Path    string // with {placeholders}: "/{index}/_doc/{id}"
	// Without are keys of the body that other Elasticsearch servers know:
	// "actions.delete_backing_index".
	Without []string

	params map[string]bool // nil: not looked up
	gone   bool
}

// Allows says whether the endpoint takes a query parameter.
func (e Endpoint) Allows(param string) bool {
	return !data().parameters[param] && (e.params == nil || e.params[param] || slices.Contains(alwaysAllowed, param))
}

var alwaysAllowed = []string{"error_trace", "filter_path", "human", "pretty"}

type what struct{ what, name string }

type table struct {
	endpoints  []Endpoint
	parameters map[string]bool // refused everywhere
	settings   []string
	lacks      map[what]bool
}

var data = sync.OnceValue(func() *table {
	t := &table{parameters: map[string]bool{}, lacks: map[what]bool{}}
	for line := range strings.Lines(list) {
		f := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		switch {
		case f[0] == "" || strings.HasPrefix(line, "#"):
		case f[0] == "endpoint" && len(f) >= 4:
			e := Endpoint{Methods: strings.Fields(f[1]), Path: f[2]}
			if f[3] != "*" {
				e.params = map[string]bool{}
				for _, p := range strings.Fields(f[3]) {
					e.params[p] = p != "-"
				}
			}
			if len(f) > 4 {
				e.Without = strings.Fields(f[4])
			}
			t.endpoints = append(t.endpoints, e)
		case f[0] == "gone" && len(f) == 3:
			t.endpoints = append(t.endpoints, Endpoint{Methods: strings.Fields(f[1]), Path: f[2], gone: true})
		case f[0] == "parameter" && len(f) == 2:
			t.parameters[f[1]] = true
		case f[0] == "setting" && len(f) == 2:
			t.settings = append(t.settings, f[1])
		case f[0] == "lacks" && len(f) == 3:
			t.lacks[what{f[1], f[2]}] = true
		default: // a test reads the whole list
			panic("serverless.tsv: a line that is none: " + line)
		}
	}
	return t
})

// Find is the endpoint that answers a request; path is escaped, as it is sent,
// and without a query.
func Find(method, path string) (Endpoint, bool) {
	segs := segments(path)
	best, most := Endpoint{gone: true}, -1
	for _, e := range data().endpoints {
		if !slices.Contains(e.Methods, method) {
			continue
		}
		if literal, ok := match(segments(e.Path), segs); ok && literal > most {
			best, most = e, literal
		}
	}
	return best, !best.gone
}

func segments(path string) []string {
	if path = strings.Trim(path, "/"); path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// match counts the segments that are the same letter by letter. What begins
// with "_" is an API, and no name of an index or of the like, except _all.
func match(pattern, segs []string) (literal int, ok bool) {
	if len(pattern) != len(segs) {
		return 0, false
	}
	for i, p := range pattern {
		switch {
		case p == segs[i]:
			literal++
		case !strings.HasPrefix(p, "{"), strings.HasPrefix(segs[i], "_") && segs[i] != "_all" && slices.Contains(noAPI, p):
			return 0, false
		}
	}
	return literal, true
}

// noAPI are placeholders for names that cannot begin with "_". Ids of documents
// and tasks can.
var noAPI = []string{"{index}", "{alias}", "{name}", "{new_index}", "{target}"}

// Setting says whether an index setting is there. The prefix "index." may be
// left out, as in requests.
func Setting(name string) bool {
	name = normal(name)
	return slices.ContainsFunc(data().settings, func(s string) bool {
		prefix, any := strings.CutSuffix(s, "*")
		return s == name || any && strings.HasPrefix(name, prefix)
	})
}

// Shown says whether an index shows a setting, beside those that are there,
// because the server makes it itself.
func Shown(name string) bool {
	name = normal(name)
	return name == "index.uuid" || name == "index.creation_date" || name == "index.provided_name" || strings.HasPrefix(name, "index.version.")
}

func normal(name string) string {
	if strings.HasPrefix(name, "index.") {
		return name
	}
	return "index." + name
}

// Flatten writes settings as Elasticsearch compares them: dotted names with
// the prefix "index.", whether they were nested, dotted or both.
func Flatten(settings map[string]any) map[string]any {
	out := map[string]any{}
	var walk func(prefix string, m map[string]any)
	walk = func(prefix string, m map[string]any) {
		for k, v := range m {
			if inner, ok := v.(map[string]any); ok {
				walk(prefix+k+".", inner)
			} else {
				out[normal(prefix+k)] = v
			}
		}
	}
	walk("", settings)
	return out
}

// Missing are the names of settings, nested or dotted, that are not there, in
// the form and order in which the server names them.
func Missing(settings map[string]any) []string {
	names := slices.Sorted(maps.Keys(Flatten(settings)))
	return slices.DeleteFunc(names, Setting)
}

// HasAggregation says whether searches know an aggregation: "scripted_metric".
func HasAggregation(name string) bool { return !data().lacks[what{"aggregation", name}] }

// HasFieldType says whether mappings know the type of a field: "join".
func HasFieldType(name string) bool { return !data().lacks[what{"field type", name}] }

// HasKind says whether there is anything that a kind of block stands for.
func HasKind(name string) bool { return !data().lacks[what{"kind", name}] }

// RefreshInterval says whether index.refresh_interval may have a value: never
// (-1), or five seconds and more. What is no duration is for the server to
// refuse.
func RefreshInterval(value string) bool {
	if value == "-1" {
		return true
	}
	digits := strings.TrimRight(value, "abcdefghijklmnopqrstuvwxyz")
	n, err := strconv.ParseFloat(digits, 64)
	unit, known := map[string]float64{"": 1e-3, "nanos": 1e-9, "micros": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}[value[len(digits):]]
	return err != nil || !known || n*unit >= 5
}

// NoAPI is the reason, and the status, with which an endpoint is refused that
// other Elasticsearch servers have. plain: the error of the answer is this text
// itself, in the place of an object with type and reason. uri has the query.
func NoAPI(method, uri string) (reason string, status int, plain bool) {
	api, _, _ := strings.Cut(strings.TrimPrefix(uri, "/"), "/")
	if api == "_ilm" || api == "_slm" {
		return fmt.Sprintf("no handler found for uri [%s] and method [%s]", uri, method), 400, true
	}
	return fmt.Sprintf("Request for uri [%s] with method [%s] exists but is not available when running in serverless mode", uri, method), 410, false
}

// The types of refusals: of an endpoint, of a parameter, and of what stands in
// a body.
const (
	TypeNoAPI = "api_not_available_exception" // status 410
	TypeParam = "status_exception"            // status 400
	TypeBody  = "illegal_argument_exception"  // status 400
)

// NoParam is the reason with which a query parameter is refused.
func NoParam(path, name, value string) string {
	return fmt.Sprintf("Parameter validation failed for [%s]: The http parameter [%s] (with value [%s]) is not permitted when running in serverless mode", path, name, value)
}

// NoSettings is the reason with which index settings are refused.
func NoSettings(names []string) string {
	return fmt.Sprintf("Settings [%s] are not available when running in serverless mode", strings.Join(names, ","))
}

// NoRefreshInterval is the reason with which a value is refused that is less
// than five seconds.
func NoRefreshInterval(value string) string {
	return fmt.Sprintf("index setting [index.refresh_interval=%s] should be either -1 or equal to or greater than 5s", value)
}

// NoAggregation is the reason with which a scripted_metric is refused: a server
// whose search.aggs.only_allowed_metric_scripts is set, as on Serverless, says
// so for each shard (measured on 9.4.3).
func NoAggregation(name string, body map[string]any) string {
	for _, script := range []string{"init_script", "map_script", "combine_script"} {
		if body[script] != nil {
			return fmt.Sprintf("[%s] contains not allowed script: [%s]", script, name)
		}
	}
	return fmt.Sprintf("[reduce_script] contains not allowed script: [%s]", name)
}

// NoFieldType is the reason with which a mapping is refused, after "Failed to
// parse mapping: ".
func NoFieldType(kind, field string) string {
	return fmt.Sprintf("The mapper type [%s] declared on field [%s] does not exist. It might have been created within a future version or requires a plugin to be installed. Check the documentation.", kind, field)
}

// NoKey is the reason with which a key of a body is refused (Endpoint.Without).
// Nobody has written down what the server says; this is in its style.
func NoKey(key string) string {
	return fmt.Sprintf("The field [%s] is not available when running in serverless mode", key)
}
