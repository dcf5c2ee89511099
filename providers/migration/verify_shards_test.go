package migration

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/providertest"
)

// noPreference is a cluster behind a proxy that leaves out the preference.
type noPreference struct{ providers.Cluster }

func (c noPreference) Do(ctx context.Context, r providers.Request) (providers.JSON, error) {
	r.Query = maps.Clone(r.Query)
	delete(r.Query, "preference")
	return c.Cluster.Do(ctx, r)
}

// An index that neither _seq_no nor a field cuts is compared shard by shard,
// whatever the shards of the destination are; whole where shards cannot be asked
// one by one.
func TestFullByShard(t *testing.T) {
	for _, c := range []struct {
		name    string
		script  func(providers.JSON, []providertest.Doc) (any, error)
		through func(providers.Cluster) providers.Cluster
		small   int64
		want    [2]int // requests that go through the documents of a side
	}{
		{name: "inside", script: goDigests, want: [2]int{3, 2}},
		{name: "read", want: [2]int{3, 2}},
		{name: "inside, no preference", script: goDigests, through: func(c providers.Cluster) providers.Cluster { return noPreference{c} }, want: [2]int{1, 1}},
		{name: "read, no preference", through: func(c providers.Cluster) providers.Cluster { return noPreference{c} }, want: [2]int{1, 1}},
		{name: "small", script: goDigests, small: 100, want: [2]int{1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newPair(t, providertest.Options{ScriptedMetric: c.script}).world
				const name = "dig-shards"
				w.freshWith(t, name, 3, off)
				drop(t, w.target, name)
				must(t, w.target, "PUT", "/"+name, object{"settings": object{"number_of_shards": 2, "index.disable_sequence_numbers": true}, "mappings": object{"properties": fields}})
				docs := ids(0, 60)
				put(t, w.admin, name, 1, docs...)
				if c.through != nil {
					w.source, w.target = c.through(w.source), c.through(w.target)
				}
				var mu sync.Mutex
				asked := [2]int{}
				count := func(c providers.Cluster, side int) providers.Cluster {
					return &faulty{Cluster: c, do: func(r providers.Request, _ int, pass func() (providers.JSON, error)) (providers.JSON, error) {
						raw, err := pass()
						if opens := strings.HasSuffix(r.Path, "/_pit"); err == nil && (opens && r.Method == "POST" || strings.Contains(string(r.Body), "scripted_metric")) {
							mu.Lock()
							asked[side]++
							mu.Unlock()
						}
						return raw, err
					}}
				}
				task := fineTask(t, w, full(copying(name, name)))
				_, sum, err := task.Run(t.Context(), newJournal())
				if err != nil {
					t.Fatal(err)
				}
				if c.small > 0 {
					task.small = c.small
				}
				task.src, task.dst = count(w.source, 0), count(w.target, 1)
				if v, err := task.Verify(t.Context(), newJournal(), sum); err != nil || v.Identical != 60 || asked != c.want {
					t.Errorf("%+v, %v, asked %v times", v, err, asked)
				}
				put(t, w.target, name, 2, docs[7])
				remove(t, w.target, name, docs[9], "")
				v, err := task.Verify(t.Context(), newJournal(), sum)
				if !errors.Is(err, providers.ErrVerify) || v.Different != 1 || v.Missing != 1 || v.Identical != 58 {
					t.Errorf("%+v, %v", v, err)
				}
			})
		})
	}
}

// One shard is read by whatever the server has to read by.
func TestReadOneShard(t *testing.T) {
	for _, o := range []providertest.Options{{}, {Version: "7.11.2"}, {Version: "6.8.23"}, {Flavor: providers.OpenSearch, Version: "3.8.0"}, {Flavor: providers.OpenSearch, Version: "2.3.0"}} {
		t.Run(string(o.Flavor)+o.Version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFakeWorld(t, o)
				const name = "dig-one-shard"
				w.fresh(t, name, 3)
				put(t, w.admin, name, 1, ids(0, 60)...)
				task := copying(name, name).task(t, w.clusters())
				seen := map[string]bool{}
				for shard := range 3 {
					r, err := task.openShard(t.Context(), &sourceIndex{Name: name}, shard, all(), keepAlive)
					if err != nil {
						t.Fatal(err)
					}
					before := len(seen)
					for {
						p, err := r.next(t.Context(), 7, 0)
						if err != nil {
							t.Fatal(err)
						}
						if len(p.hits) == 0 {
							break
						}
						for _, h := range p.hits {
							if seen[plainString(h.id)] {
								t.Errorf("shard %d: %s is read twice", shard, h.id)
							}
							seen[plainString(h.id)] = true
						}
					}
					if n := len(seen) - before; n == 0 || n == 60 {
						t.Errorf("shard %d: %d documents", shard, n)
					}
					r.close(t.Context())
				}
				if len(seen) != 60 {
					t.Errorf("%d documents", len(seen))
				}
			})
		})
	}
}
