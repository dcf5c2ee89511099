package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What is done to whole servers, or takes them for long: run by make real-long,
// one by one.

const labMove = `
index "i" {
  name                = "%[1]s-to"
  deletion_protection = false
  settings            = { number_of_shards = 1, number_of_replicas = 0, refresh_interval = "30s" }
  mappings            = { properties = { n = { type = "long" }, word = { type = "keyword" }, at = { type = "date" } } }
}

migration "m" {
  method = %[2]q
  %[3]s
  source { index = "%[1]s-from" }
  dest { index = index.i.name }
}
`

// many writes n small documents.
func (s *server) many(index string, n int) {
	s.t.Helper()
	s.do("PUT", "/"+index, `{"settings":{"number_of_shards":1,"number_of_replicas":0,"refresh_interval":"-1"}}`)
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"index":{"_id":"%d"}}`+"\n"+`{"@timestamp":"2026-01-01T00:00:00Z","n":%d,"word":"w%d","at":"2026-01-%02dT00:00:00Z","price":%d.5,"flag":%v}`+"\n", i, i, i%1000, 1+i%28, i%777, i%3 == 0)
		if (i+1)%10_000 == 0 || i == n-1 {
			if a := s.do("POST", "/"+index+"/_bulk?filter_path=errors", b.String()); !bytes.Contains(a, []byte("false")) {
				s.t.Fatalf("bulk: %.300s", a)
			}
			b.Reset()
		}
	}
	s.do("POST", "/"+index+"/_refresh", "")
}

func (s *server) count(index string) int {
	s.t.Helper()
	s.do("POST", "/"+index+"/_refresh", "")
	var a struct{ Count int }
	if err := json.Unmarshal(s.do("GET", "/"+index+"/_count", ""), &a); err != nil {
		s.t.Fatal(err)
	}
	return a.Count
}

// documents is how many documents a test copies; ESMIG_TEST_DOCUMENTS says
// another number.
func documents(t *testing.T, usual int) int {
	if text := os.Getenv("ESMIG_TEST_DOCUMENTS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return usual
}

// progressed reads how many documents a line of -json says are copied.
func progressed(line string) (done, ranges int) {
	var l struct {
		Type  string
		Event struct {
			Progress struct {
				Phase  string
				Done   int
				Ranges int
			}
		}
	}
	if json.Unmarshal([]byte(line), &l) != nil || l.Type != "progress" || l.Event.Progress.Phase != "copy" {
		return -1, 0
	}
	return l.Event.Progress.Done, l.Event.Progress.Ranges
}

// finished reads the sum of the one migration in the state.
func (f *folder) finished() (read, created, conflicts, ranges int) {
	f.t.Helper()
	raw, err := os.ReadFile(filepath.Join(f.dir, "esmig.state.json"))
	if err != nil {
		f.t.Fatal(err)
	}
	var s struct {
		Objects []struct {
			Task *struct {
				Ranges int
				Result struct{ Read, Created, Conflicts int }
			}
		}
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		f.t.Fatal(err)
	}
	for _, o := range s.Objects {
		if o.Task != nil {
			return o.Task.Result.Read, o.Task.Result.Created, o.Task.Result.Conflicts, o.Task.Ranges
		}
	}
	f.t.Fatalf("no finished migration in the state: %s", raw)
	return
}

// A copy that is killed at ten moments ends with all documents, verified in
// full, and copies less than a range for each worker again each time (killed).
func TestLabTenKills(t *testing.T) {
	for _, method := range []string{"reindex", "stream"} {
		t.Run(method, func(t *testing.T) {
			n := documents(t, 300_000)
			name := "kills-" + method
			source, target := lab(t, "source"), lab(t, "target")
			source.wipe("/" + name + "-from")
			source.many(name+"-from", n)
			f := killed(t, n, func() *folder {
				target.wipe("/" + name + "-to")
				return newFolder(t, fmt.Sprintf(labMove, name, method, fmt.Sprint("concurrency = ", workers)), source, target)
			}, nil)
			out := f.esmig(0, "apply", "-auto-approve")
			f.esmig(0, "verify")
			read, created, conflicts, ranges := f.finished()
			t.Logf("%d kills, %d ranges: %d documents read, %d made, %d were there already\n%s", kills, ranges, read, created, conflicts, out)
			if got := target.count(name + "-to"); got != n {
				t.Errorf("%d documents of %d", got, n)
			}
			if s := string(target.do("GET", "/"+name+"-to/_settings", "")); !strings.Contains(s, `"refresh_interval":"30s"`) || strings.Contains(s, "async") {
				t.Errorf("settings were not put back: %s", s)
			}
			f.settled()
		})
	}
}

const (
	kills   = 10
	workers = 4 // ranges that are copied at the same time
)

// killed kills a copy of n documents at ten moments spread over it, and returns
// the folder for the apply that ends it. begin makes everything anew, between is
// told after each kill. A copy that is over before its last kill begins anew
// with the kills nearer to its start; no copy passes with fewer than ten.
//
// At each kill the journal holds at most one range for each worker that has
// begun and not ended, and none that had ended was begun once more: less than
// these ranges is what the next apply copies again.
func killed(t *testing.T, n int, begin func() *folder, between func(kill int)) *folder {
	t.Helper()
	chance := rand.New(rand.NewPCG(12, 9))
	for _, part := range []float64{1, 0.7, 0.5, 0.3} { // of the copy
		f, kill, begun := begin(), 1, 0
		for kill <= kills {
			at := int(float64(n) * part * (float64(kill-1) + chance.Float64()) / kills)
			if _, dead := f.killWhen(func(line string) bool {
				done, _ := progressed(line)
				return done >= at
			}, "apply", "-auto-approve", "-json"); !dead {
				t.Logf("it was over before kill %d, which was to come at %d documents", kill, at)
				break
			}
			a := f.attempts()
			t.Logf("kill %d at %d documents: %+v", kill, at, a)
			if a.open > workers || a.again > 0 {
				t.Errorf("kill %d at %d documents: %d ranges that have begun have no end, want at most %d; %d that had ended begin again", kill, at, a.open, workers, a.again)
			}
			begun = max(begun, a.begun)
			if between != nil {
				between(kill)
			}
			kill++
		}
		if kill > kills {
			if begun == 0 {
				t.Error("the journal speaks of no range at any kill")
			}
			return f
		}
	}
	t.Fatalf("no copy of %d documents lasted until its %dth kill: ESMIG_TEST_DOCUMENTS makes it longer", n, kills)
	return nil
}

const labStream = `
index_template "t" {
  name           = "%[1]s"
  index_patterns = ["%[1]s-to"]
  priority       = 300
  data_stream    = {}
  template       = { mappings = { properties = { "@timestamp" = { type = "date" } } } }
}

data_stream "d" {
  name                = "%[1]s-to"
  deletion_protection = false
  depends_on          = [index_template.t]
}

migration "m" {
  %[2]s
  source { index = "%[1]s-from" }
  dest { index = data_stream.d.name }
}
`

// Into a data stream of a Serverless project, where tasks are not listed: killed
// at ten moments, with a rollover in between, nothing is lost and nothing twice.
func TestLabTenKillsServerless(t *testing.T) {
	n := documents(t, 300_000)
	source, project := lab(t, "source"), lab(t, "serverless")
	source.wipe("/killed-from")
	source.many("killed-from", n)
	f := killed(t, n, func() *folder {
		project.wipe("/_data_stream/killed-to", "/_index_template/killed")
		return newFolder(t, fmt.Sprintf(labStream, "killed", fmt.Sprint("concurrency = ", workers)), source, project)
	}, func(kill int) {
		if kill == kills/2 {
			project.do("POST", "/killed-to/_rollover", "")
		}
	})
	out := f.esmig(0, "apply", "-auto-approve")
	read, created, conflicts, ranges := f.finished()
	t.Logf("%d ranges: %d documents read, %d made, %d were there already\n%s", ranges, read, created, conflicts, out)
	if read != n {
		t.Errorf("the account says %d documents instead of %d", read, n)
	}
	if got := project.count("killed-to"); got != n {
		t.Errorf("%d documents instead of %d", got, n)
	}
	f.esmig(0, "verify")
	f.settled()
}

// A write to Serverless takes 200 ms at best: what many ranges at the same time
// make of that, told and not asserted.
func TestLabServerlessConcurrency(t *testing.T) {
	n := documents(t, 60_000)
	source, project := lab(t, "source"), lab(t, "serverless")
	source.wipe("/slow-from")
	source.many("slow-from", n)
	door := *project
	door.url = project.vars["DOOR_URL"]
	door.do("POST", "/delay?ms=200", "")
	defer door.do("POST", "/delay?ms=0", "")
	for _, method := range []string{"reindex", "stream"} {
		for i, at := range []string{"concurrency = 1", ""} {
			name := fmt.Sprint("slow-", method, i)
			source.do("POST", "/_aliases", fmt.Sprintf(`{"actions":[{"add":{"index":"slow-from","alias":"%s-from"}}]}`, name))
			project.wipe("/_data_stream/"+name+"-to", "/_index_template/"+name)
			f := newFolder(t, fmt.Sprintf(labStream, name, fmt.Sprintf("verify = \"none\"\nmethod = %q\n%s", method, at)), source, project)
			begin := time.Now()
			f.esmig(0, "apply", "-auto-approve")
			t.Logf("%s, %s: %.0f documents/s", method, at, float64(n)/time.Since(begin).Seconds())
			if got := project.count(name + "-to"); got != n {
				t.Errorf("%d documents instead of %d", got, n)
			}
		}
	}
}

// The node of the destination is killed in the middle: what it had not on its
// disks is copied again, and everything is there in the end.
func TestLabNodeKilled(t *testing.T) {
	for _, method := range []string{"reindex", "stream"} {
		t.Run(method, func(t *testing.T) {
			n := documents(t, 60_000)
			name := "node-" + method
			source, target := lab(t, "source"), lab(t, "target")
			source.wipe("/" + name + "-from")
			target.wipe("/" + name + "-to")
			source.many(name+"-from", n)
			pid := target.pid()
			if pid == 0 {
				t.Skip("the target is not a server of the lab, which could be killed and begun again")
			}
			f := newFolder(t, fmt.Sprintf(labMove, name, method, fmt.Sprint("requests_per_second = ", n/10)), source, target)
			dead := false
			out, _ := f.killWhen(func(line string) bool {
				if done, _ := progressed(line); done > n/2 && !dead {
					dead = true
					if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
				}
				return false
			}, "apply", "-auto-approve", "-json")
			if !dead {
				t.Fatalf("the node was not killed:\n%s", out)
			}
			if !strings.Contains(out, "A node of target restarted") {
				t.Errorf("it was not told:\n%.3000s", out)
			}
			f.esmig(0, "verify")
			if got := target.count(name + "-to"); got != n {
				t.Errorf("%d documents of %d", got, n)
			}
			if s := string(target.do("GET", "/"+name+"-to/_settings", "")); !strings.Contains(s, `"refresh_interval":"30s"`) || strings.Contains(s, "async") {
				t.Errorf("settings were not put back: %s", s)
			}
			f.settled()
		})
	}
}

// pid is the process of a server that this lab has booted, 0 if it has not.
func (s *server) pid() int {
	s.t.Helper()
	if s.vars["PID"] == "" {
		return 0
	}
	var a struct {
		Nodes map[string]struct{ Process struct{ ID int } }
	}
	if err := json.Unmarshal(s.do("GET", "/_nodes/_local/process", ""), &a); err != nil {
		s.t.Fatal(err)
	}
	for _, n := range a.Nodes {
		return n.Process.ID
	}
	return 0
}
