package providers

import (
	"context"
	"net/url"
	"reflect"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// ClusterConfig is what a cluster block says. It holds secrets: it must not be
// printed, stored or put into an error.
type ClusterConfig struct {
	Name               string
	Endpoint           string // "https://host:port/prefix", without a trailing slash
	CloudID            string // instead of Endpoint
	APIKey             string // "encoded", or "id:key"
	Username           string
	Password           string
	CAFile             string
	CAPEM              []byte // contents of CAFile, read by the configuration
	CAFingerprint      string // SHA-256 of the CA certificate, hex, colons allowed
	ClientCertPEM      []byte
	ClientKeyPEM       []byte
	Headers            map[string]string
	Compression        bool
	Timeout            time.Duration // of one request; 0: the connection's default
	Proxy              string
	InsecureSkipVerify bool
}

// Secrets lists the values that must never be seen outside a request.
func (c ClusterConfig) Secrets() []string {
	s := []string{c.APIKey, c.Password}
	for _, v := range c.Headers {
		s = append(s, v)
	}
	return s
}

// Flavor is the product that answers at an endpoint.
type Flavor string

// The flavours that esmig tells apart, found by asking GET /.
const (
	Elasticsearch Flavor = "elasticsearch"
	Serverless    Flavor = "serverless"
	OpenSearch    Flavor = "opensearch"
)

// Info is what a cluster says of itself.
type Info struct {
	ClusterName string `json:"cluster_name"`
	UUID        string `json:"uuid"`
	Version     string `json:"version"` // "9.4.3"; says nothing on Serverless
	Flavor      Flavor `json:"flavor"`
}

// Title is the flavour and version as a person reads them.
func (i Info) Title() string {
	switch i.Flavor {
	case Serverless:
		return "Elasticsearch Serverless"
	case OpenSearch:
		return "OpenSearch " + i.Version
	default:
		return "Elasticsearch " + i.Version
	}
}

// Request is one call to a cluster.
type Request struct {
	Method string
	Path   string // begins with "/", each part already escaped (PathEscape)
	Query  url.Values
	Body   []byte // JSON, or NDJSON for _bulk
	// OpaqueID is sent as X-Opaque-Id, so that a task whose answer was lost
	// can be found again.
	OpaqueID string
	// Repeatable says that sending this POST again does no harm (_search,
	// _count). GET, HEAD, PUT and DELETE are always repeatable; any other POST
	// is never sent twice.
	Repeatable bool
	// Timeout overrides the cluster's own for this call.
	Timeout time.Duration
	// Limit is how many bytes of an answer are read; more wraps ErrTooLarge.
	// 0: any number.
	Limit int64
	// Compress sends the body with gzip and asks for an answer in it, also
	// where the cluster block does not say so.
	Compress bool
}

// Cluster is a connection. It is made without any traffic; Info and Do talk.
type Cluster interface {
	Name() string
	Config() ClusterConfig
	// Info asks once per run and remembers the answer.
	Info(ctx context.Context) (Info, error)
	// Do sends a request, repeats it where that is safe, and returns the body
	// of a 2xx answer. Errors wrap ErrNotFound, ErrConflict, ErrUnavailable or
	// ErrDenied where they apply.
	Do(ctx context.Context, r Request) (JSON, error)
}

// ClusterRef is what cluster.NAME evaluates to in the files.
type ClusterRef struct{ Name string }

// ClusterType is the type of arguments that take a cluster.
var ClusterType = cty.CapsuleWithOps("cluster", reflect.TypeFor[ClusterRef](), &cty.CapsuleOps{
	GoString:     func(v any) string { return "cluster." + v.(*ClusterRef).Name },
	TypeGoString: func(reflect.Type) string { return "providers.ClusterType" },
	Equals: func(a, b any) cty.Value {
		return cty.BoolVal(a.(*ClusterRef).Name == b.(*ClusterRef).Name)
	},
	RawEquals: func(a, b any) bool { return a.(*ClusterRef).Name == b.(*ClusterRef).Name },
})

// ClusterValue is the value of a reference to the named cluster.
func ClusterValue(name string) cty.Value {
	return cty.CapsuleVal(ClusterType, &ClusterRef{Name: name})
}

// ClusterName is the name in a value of ClusterType, empty when it is null.
func ClusterName(v cty.Value) string {
	if v.IsNull() {
		return ""
	}
	return v.EncapsulatedValue().(*ClusterRef).Name
}
