package migration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/esmig/esmig/providers"
)

// The digest of digest.go inside a cluster, in one of two ways that may be
// mixed. Their text never changes, what changes is in params, so that a server
// compiles it once.
//
// A scripted_metric aggregation runs on each shard and adds up: nothing but
// sums leaves the cluster, whatever its size. But reading _id there costs more
// than everything else: it is a stored field, and each read unpacks its block
// anew (9.4.3, documents of 250 bytes: 5.4 of 8.6 microseconds).
//
// A script field makes the digest of the contents of each hit of a page: id
// and digest leave the cluster, some 100 bytes, and no document does. Pages
// read blocks once, so it takes half the time, also with codecs that pack
// tightly; and Serverless has it.
//
// Params of the aggregation:
//
//	routing   some document has one: looking for it costs
//	values    OpenSearch: a field that a document lacks has no value there, but
//	          an error; Elasticsearch before 7.0 has the error in values
//	contents  false leaves _source out
//	only      per level the buckets that are looked at; empty: all
//	level     the level whose buckets are summed up
//	list      true gives id, routing and digest of each document instead of sums
const (
	painlessInit = `state.n = 0L;
if (params.list) { state.list = new ArrayList(); }
else { state.sums = new long[(int) params.buckets]; state.counts = new long[(int) params.buckets]; }
state.only = new ArrayList();
for (def level : params.only) {
  boolean[] wanted = new boolean[(int) params.buckets];
  for (def b : level) { wanted[(int) b] = true; }
  state.only.add(wanted);
}`

	painlessCombine = `if (params.list) { return state.list; }
StringBuilder b = new StringBuilder();
long[] sums = (long[]) state.sums;
long[] counts = (long[]) state.counts;
for (int i = 0; i < sums.length; i++) {
  if (counts[i] != 0L) { b.append(i).append(':').append(counts[i]).append(':').append(Long.toHexString(sums[i])).append(' '); }
}
return b.toString();`

	painlessReduce = `return states;`
)

// painlessMap is the script of one document.
var painlessMap = painlessFunctions + fmt.Sprintf(`String id = params['_fields']['_id'].value;
long place = text(id);
List only = (List) state.only;
for (int i = 0; i < only.size(); i++) {
  boolean[] wanted = (boolean[]) only.get(i);
  if (!wanted[(int) ((place >>> (10 * i)) & 1023L)]) { return; }
}
String routing = null;
if (params.routing) {
  def r = params['_fields']['_routing'];
  if (!params.values) { routing = r.value; }
  else { List l = r.values; if (l != null && l.size() > 0) { routing = l.get(0); } }
}
long h = mix(mix(%dL + place) * 31L + (routing == null ? %dL : text(routing)));
if (params.contents) { h = mix(h * 31L + value(params['_source'])); }
if (params.list) { state.list.add([id, routing == null ? '' : routing, Long.toHexString(h)]); return; }
int b = (int) ((place >>> (int) (10 * params.level)) & 1023L);
((long[]) state.sums)[b] += h;
((long[]) state.counts)[b] += 1L;`,
	saltDoc, saltNull)

// painlessField gives the contents' digest of each hit of a search, as a script
// field or as a runtime field.
var (
	painlessField   = painlessFunctions + `return value(params['_source']);`
	painlessRuntime = painlessFunctions + `emit(value(params['_source']));`
)

// painlessFunctions: a loop ends with an error after a million turns of one
// call of a function, so "units" takes sixteen units of a text in a turn, and a
// very long text is cut. How the sixteen are written matters: with the brackets
// around their sum 100 KB take 45 microseconds, without them 200.
var painlessFunctions = fmt.Sprintf(`long mix(long y) {
  long x = (y ^ (y >>> 30)) * %dL;
  x = (x ^ (x >>> 27)) * %dL;
  return x ^ (x >>> 31);
}
%s
long plain(String s) {
  int n = s.length();
  if (n <= 8000000) { return units(s, 1L); }
  long h = 1L;
  for (int i = 0; i < n; i += 8000000) { h = units(s.substring(i, (int) Math.min(n, i + 8000000)), h); }
  return h;
}
long text(String s) { return mix(plain(s) + %dL); }
long value(def v) {
  if (v == null) { return mix(%dL); }
  if (v instanceof String) { return text((String) v); }
  if (v instanceof Integer || v instanceof Long || v instanceof Short || v instanceof Byte) { return mix(((Number) v).longValue() + %dL); }
  if (v instanceof Boolean) { return mix((boolean) v ? %dL : %dL); }
  if (v instanceof Map) {
    long sum = 0L;
    for (Map.Entry e : ((Map) v).entrySet()) { sum += mix(text((String) e.getKey()) * 31L + value(e.getValue())); }
    return mix(sum + %dL);
  }
  if (v instanceof List) {
    long h = %dL;
    for (def e : (List) v) { h = mix(h * 31L + value(e)); }
    return mix(h);
  }
  if (v instanceof BigInteger) { return mix(plain(v.toString()) + %dL); }
  double f = v instanceof Double ? (double) v : Double.parseDouble(v.toString());
  return mix(Double.doubleToLongBits(f) + %dL);
}
`, signed(0xbf58476d1ce4e5b9), signed(0x94d049bb133111eb), painlessUnits(), saltText, saltNull, saltInteger, saltTrue, saltFalse,
	saltMap, saltList, saltBig, saltDouble)

// painlessUnits goes on with the polynomial of textHash.
func painlessUnits() string {
	const turn = 16
	power, sum := uint64(1), ""
	for i := turn - 1; i >= 0; i-- {
		sum = fmt.Sprintf(" + s.charAt(i + %d) * %dL", i, signed(power)) + sum
		power *= textBase
	}
	return fmt.Sprintf(`long units(String s, long begin) {
  int n = s.length();
  int most = n - %d;
  long h = begin;
  int i = 0;
  for (; i < most; i += %d) { h = h * %dL + (%s); }
  for (; i < n; i++) { h = h * %dL + s.charAt(i); }
  return h;
}`, turn-1, turn, signed(power), strings.TrimPrefix(sum, " + "), signed(textBase))
}

// signed is how Java writes a number of 64 bits.
func signed(u uint64) int64 { return int64(u) }

// digestBuckets is how many buckets a level has: ten bits of digestID.
const (
	digestBuckets = 1024
	digestLevels  = 6
)

func bucketOf(place uint64, level int) int { return int(place >> (10 * level) & (digestBuckets - 1)) }

// sums are digests added up per bucket.
type sums struct {
	Sum   [digestBuckets]uint64
	Count [digestBuckets]int64
}

func (s *sums) add(o *sums) {
	for i := range s.Sum {
		s.Sum[i] += o.Sum[i]
		s.Count[i] += o.Count[i]
	}
}

func (s *sums) documents() (n int64) {
	for _, c := range s.Count {
		n += c
	}
	return n
}

// MarshalText writes the buckets that are not empty as the script does.
func (s *sums) MarshalText() ([]byte, error) {
	var b []byte
	for i, c := range s.Count {
		if c != 0 {
			b = fmt.Appendf(b, "%d:%d:%x ", i, c, s.Sum[i])
		}
	}
	return b, nil
}

// UnmarshalText adds what it reads.
func (s *sums) UnmarshalText(text []byte) error {
	for f := range strings.FieldsSeq(string(text)) {
		p := strings.Split(f, ":")
		if len(p) != 3 {
			return fmt.Errorf("%q is no sum of a bucket", f)
		}
		i, errI := strconv.ParseUint(p[0], 10, 64)
		c, errC := strconv.ParseInt(p[1], 10, 64)
		v, errV := strconv.ParseUint(p[2], 16, 64)
		if errI != nil || errC != nil || errV != nil || i >= digestBuckets {
			return fmt.Errorf("%q is no sum of a bucket", f)
		}
		s.Sum[i] += v
		s.Count[i] += c
	}
	return nil
}

// digested is one document of a list.
type digested struct {
	id, routing string
	digest      uint64
}

// digestParams are the script's params, besides buckets.
type digestParams struct {
	Routing  bool    `json:"routing"`
	Contents bool    `json:"contents"`
	Only     [][]int `json:"only"`
	Level    int     `json:"level"`
	List     bool    `json:"list"`
	Buckets  int     `json:"buckets"`
	Values   bool    `json:"values"`
}

// wanted says whether a document is in one of the buckets that are looked at.
func (p digestParams) wanted(place uint64) bool {
	for level, buckets := range p.Only {
		if !slices.Contains(buckets, bucketOf(place, level)) {
			return false
		}
	}
	return true
}

// digestTimeout bounds one request. A piece takes seconds; a busy cluster may
// need minutes for it.
const digestTimeout = 15 * time.Minute

// digestBody is the search that makes digests of what query matches.
func digestBody(query any, p digestParams) object {
	p.Buckets = digestBuckets
	if p.Only == nil {
		p.Only = [][]int{}
	}
	return object{"size": 0, "track_total_hits": true, "query": query, "aggs": object{"digest": object{"scripted_metric": object{
		"params": p, "init_script": painlessInit, "map_script": painlessMap, "combine_script": painlessCombine, "reduce_script": painlessReduce,
	}}}}
}

// inside lets the cluster make the digests of what query matches, on one shard
// of an index or (-1) on all: as sums, or with p.List one by one.
func inside(ctx context.Context, c providers.Cluster, index string, shard int, query any, p digestParams) (*sums, []digested, error) {
	info, err := c.Info(ctx)
	if err != nil {
		return nil, nil, err
	}
	p.Values = info.Flavor == providers.OpenSearch
	q := url.Values{"allow_partial_search_results": {"false"}}
	if shard >= 0 {
		q.Set("preference", "_shards:"+itoa(shard))
	}
	raw, err := c.Do(ctx, providers.Request{Method: http.MethodPost, Path: "/" + url.PathEscape(index) + "/_search",
		Query: q, Body: providers.Encode(digestBody(query, p)), Repeatable: true, Timeout: digestTimeout})
	if err != nil {
		return nil, nil, err
	}
	var a struct {
		Hits struct {
			Total total `json:"total"`
		} `json:"hits"`
		Aggregations struct {
			Digest struct {
				Value []json.RawMessage `json:"value"`
			} `json:"digest"`
		} `json:"aggregations"`
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, nil, fmt.Errorf("digests from %s cannot be read: %w", c.Name(), err)
	}
	s, list := &sums{}, []digested(nil)
	for _, state := range a.Aggregations.Digest.Value {
		if string(state) == "null" { // a shard without documents
			continue
		}
		if p.List {
			var docs [][3]string
			if err = json.Unmarshal(state, &docs); err == nil {
				list, err = appendDigested(list, docs)
			}
		} else {
			err = json.Unmarshal(state, s)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("digests from %s cannot be read: %w", c.Name(), err)
		}
	}
	if n := s.documents(); !p.List && len(p.Only) == 0 && n != int64(a.Hits.Total) {
		return nil, nil, fmt.Errorf("%s made digests of %d of %d documents of %s", c.Name(), n, a.Hits.Total, index)
	}
	return s, list, nil
}

func appendDigested(list []digested, docs [][3]string) ([]digested, error) {
	for _, d := range docs {
		v, err := strconv.ParseUint(d[2], 16, 64)
		if err != nil {
			return nil, err
		}
		list = append(list, digested{id: d[0], routing: d[1], digest: v})
	}
	return list, nil
}
