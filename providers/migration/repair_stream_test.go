package migration

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/providers/elasticsearch"
	"github.com/esmig/esmig/providers/providertest"
)

// through is a transport that a test has a hand in.
type through func(*http.Request) (*http.Response, error)

func (f through) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// intoStream is a copy into a data stream that has lost a document since.
func intoStream(t *testing.T, w world, name, stream string) (*task, providers.JSON) {
	t.Helper()
	w.fresh(t, name, 1)
	must(t, w.target, "PUT", "/_index_template/"+stream, object{"index_patterns": []string{stream}, "priority": 900, "data_stream": object{}})
	putDated(t, w.admin, name, ids(0, 10)...)
	task := fineTask(t, w, copying(name, stream))
	_, sum, err := task.Run(t.Context(), newJournal())
	if err != nil {
		t.Fatal(err)
	}
	d, err := task.lookAtDestination(t.Context())
	if err != nil || len(d.Names) != 1 {
		t.Fatalf("%+v, %v", d, err)
	}
	remove(t, w.target, d.Names[0], ids(3, 4)[0], "")
	return task, sum
}

// A bulk request of a repair whose answer is lost is not sent again where the
// data stream may have rolled over meanwhile: the next repair finds what arrived.
func TestRepairIntoDataStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const name, stream = "rep-stream-from", "rep-stream"
		f := newPair(t, providertest.Options{})
		task, sum := intoStream(t, f.world, name, stream)
		lost := 0
		c, err := elasticsearch.Connect(providers.ClusterConfig{Name: "target", Endpoint: "http://127.0.0.1:9201"}, through(func(r *http.Request) (*http.Response, error) {
			a, err := f.net.Transport().RoundTrip(r)
			if err != nil || !isBulk(r) || lost > 0 {
				return a, err
			}
			lost++
			_ = a.Body.Close()
			must(t, f.world.target, "POST", "/"+stream+"/_rollover", nil)
			return nil, io.ErrUnexpectedEOF
		}))
		if err != nil {
			t.Fatal(err)
		}
		task.dst = c
		for i, want := range []string{`run "esmig repair" again`, ""} {
			_, v, err := task.Repair(t.Context(), newJournal(), sum, false)
			if got := fmt.Sprint(err); (err != nil) != (want != "") || !strings.Contains(got, want) {
				t.Errorf("repair %d: %+v, %v", i, v, err)
			}
		}
		if a, err := search(t.Context(), c, stream, -1, object{"size": 100}); err != nil || len(a.Hits.Hits) != 10 || lost != 1 {
			t.Errorf("%d documents, %d answers lost, %v", len(a.Hits.Hits), lost, err)
		}
	})
}

// Who may not refresh is told that what was written last may not be seen yet;
// into a data stream, where it would be created again, nothing is repaired.
func TestRepairWithoutRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const name, stream = "rep-blind-from", "rep-blind"
		f := newPair(t, providertest.Options{})
		task, sum := intoStream(t, f.world, name, stream)
		task.dst = &faulty{Cluster: f.world.target, do: func(r providers.Request, _ int, pass func() (providers.JSON, error)) (providers.JSON, error) {
			if strings.HasSuffix(r.Path, "/_refresh") {
				return nil, fmt.Errorf("403: %w", providers.ErrDenied)
			}
			return pass()
		}}
		v, err := task.Verify(t.Context(), newJournal(), sum)
		if !errors.Is(err, providers.ErrVerify) || !strings.Contains(strings.Join(v.Notes, "\n"), "may not refresh target/rep-blind") {
			t.Errorf("%+v, %v", v, err)
		}
		got, _, err := task.Repair(t.Context(), newJournal(), sum, false)
		if code(err) != "not_repairable" || got != (providers.Repaired{}) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
