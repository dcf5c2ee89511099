package migration

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/esmig/esmig/providers"
)

// asksContents says whether the answer to the body of a search holds contents
// of documents.
func asksContents(body object) bool {
	if n, ok := body["size"]; ok && fmt.Sprint(n) == "0" {
		return false
	}
	switch s := body["_source"].(type) {
	case bool:
		return s
	case object:
		excludes, _ := s["excludes"].([]any)
		return !slices.Contains(excludes, any("*"))
	}
	return true
}

// wantedIDs are the ids that a query asks for.
func wantedIDs(query any) (out []string) {
	switch q := query.(type) {
	case []any:
		for _, one := range q {
			out = append(out, wantedIDs(one)...)
		}
	case object:
		for k, v := range q {
			if in, ok := v.(object); k == "ids" && ok {
				values, _ := in["values"].([]any)
				for _, id := range values {
					out = append(out, fmt.Sprint(id))
				}
			} else if k != "must_not" {
				out = append(out, wantedIDs(v)...)
			}
		}
	}
	return out
}

// looked stands before a side of a comparison and notes what of its documents
// leaves it.
type looked struct {
	mu       sync.Mutex
	searches int             // that brought no contents
	samples  int             // for the size of documents
	contents map[string]bool // the ids of those that were asked for
	bad      []string        // requests for contents otherwise than by id
}

func (l *looked) at(c providers.Cluster) providers.Cluster {
	return &faulty{Cluster: c, do: func(r providers.Request, _ int, pass func() (providers.JSON, error)) (providers.JSON, error) {
		l.note(r)
		return pass()
	}}
}

func (l *looked) note(r providers.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	parts := strings.Split(strings.Trim(r.Path, "/"), "/")
	if slices.ContainsFunc(parts, func(p string) bool {
		return slices.Contains([]string{"_mget", "_msearch", "_doc", "_source", "scroll"}, p)
	}) {
		l.bad = append(l.bad, r.Path)
	}
	if parts[len(parts)-1] != "_search" {
		return
	}
	body := object{}
	if err := decode(r.Body, &body); err != nil {
		l.bad = append(l.bad, err.Error())
	}
	if !asksContents(body) {
		l.searches++
		return
	}
	ids := wantedIDs(body["query"])
	if _, sorted := body["sort"]; len(ids) == 0 && !sorted && fmt.Sprint(body["size"]) == fmt.Sprint(sampleDocs) {
		l.samples++
		return
	}
	if len(ids) == 0 {
		l.bad = append(l.bad, string(r.Body))
	}
	for _, id := range ids {
		l.contents[id] = true
	}
}

// Where the clusters make the digests, documents stay where they are: contents
// are asked for by id, and of those alone that are not the same on both sides. What
// leaves an index besides is one sample of a few, which tells how large they are.
func TestFullMovesNoDocuments(t *testing.T) {
	inDigestWorlds(t, func(t *testing.T, w digestWorld) {
		if !slices.Contains([]string{"sums", "hits", "real"}, w.name) {
			return // a side cannot make them
		}
		const name = "dig-stay"
		_, sum := copied(t, w, name, 2, 120)
		from, to := &looked{contents: map[string]bool{}}, &looked{contents: map[string]bool{}}
		watched := w
		watched.source, watched.target = from.at(w.source), to.at(w.target)
		for _, c := range []struct {
			name    string
			opened  int
			spoil   func()
			suspect map[string]bool
		}{
			{"an equal copy", mostOpened, func() {}, map[string]bool{}},
			{"one of each kind", mostOpened, func() {
				write(t, w.target, name, "d 7/ü", sameVersion, `{"n":7}`)
				remove(t, w.target, name, "d 9/ü", "&routing=r")
				write(t, w.target, name, "other", "", `{"n":7}`)
			}, map[string]bool{"d 7/ü": true, "d 9/ü": true, "other": true}},
			{"narrowed first", 1, func() {}, map[string]bool{"d 7/ü": true, "d 9/ü": true, "other": true}},
		} {
			c.spoil()
			*from, *to = looked{contents: map[string]bool{}}, looked{contents: map[string]bool{}}
			task := digestTask(t, watched, copying(name, name))
			task.opened = c.opened
			v, _ := task.Verify(t.Context(), newJournal(), sum)
			if n := v.Missing + v.Different + v.Extra; v.Method != "full" || v.Compared != 120 || int(n) != len(c.suspect) {
				t.Errorf("%s: %+v", c.name, v)
			}
			for side, l := range map[string]*looked{"source": from, "destination": to} {
				if len(l.bad) > 0 || l.searches == 0 || l.samples > 1 {
					t.Errorf("%s: %d searches without contents and %d samples on the %s; contents by %q", c.name, l.searches, l.samples, side, l.bad)
				}
				if diff := cmp.Diff(c.suspect, l.contents); diff != "" {
					t.Errorf("%s: contents asked for on the %s (-want +got):\n%s", c.name, side, diff)
				}
			}
		}
	})
}

// In each way to make digests in a cluster its hits come without contents.
func TestDigestsComeWithoutContents(t *testing.T) {
	elastic := func(version string) providers.Info {
		return providers.Info{Flavor: providers.Elasticsearch, Version: version}
	}
	for _, c := range []struct {
		name                       string
		info                       providers.Info
		contents, runtime, scripts bool
		want                       bool
	}{
		{"ids only", elastic("9.4.3"), false, true, true, false},
		{"runtime field, vectors", elastic("9.4.3"), true, true, true, false},
		{"runtime field", elastic("8.19.0"), true, true, true, false},
		{"script field", elastic("7.10.2"), true, false, true, false},
		{"no scripts", elastic("9.4.3"), true, false, false, true},
	} {
		s := &side{task: &task{}, contents: c.contents}
		s.runtime.Store(c.runtime)
		s.scripts.Store(c.scripts)
		asked, body := object{}, object{}
		s.askFor(asked, c.info)
		if err := decode(providers.Encode(asked), &body); err != nil {
			t.Fatal(err)
		}
		if got := asksContents(body); got != c.want {
			t.Errorf("%s: contents are asked for: %v, want %v, by %v", c.name, got, c.want, body)
		}
	}
}
