package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/esmig/esmig/engine"
	"github.com/esmig/esmig/providers/providertest"
	"github.com/esmig/esmig/state"
)

const moving = `
cluster "source" { endpoint = "http://source:9200" }
migration "m" {
  source {
    cluster = cluster.source
    index   = "from-*"
    size    = 1
  }
  dest {
    cluster = cluster.target
    index   = "to"
  }
  concurrency = %d
  method      = %q
  verify      = "count"
}
`

// newMoving is a sim in which 4 ranges of 20 documents are copied, each in
// steps: a look at a task brings it on by one document.
func newMoving(t *testing.T, concurrency int, method string) *sim {
	s := &sim{t: t, fs: &fullFS{MemFS: state.NewMemFS()}, signals: make(chan os.Signal)}
	net := &providertest.Network{}
	source := providertest.NewFake(providertest.Options{Name: "source"})
	s.target = providertest.NewFake(providertest.Options{Name: "target", Network: net, Whitelist: []string{"source:9200"}, ReindexBatchesPerPoll: 1})
	net.Join("source:9200", source)
	net.Join("target:9200", s.target)
	s.world = World{
		Dir: "work", Stdin: strings.NewReader(""), FS: s.fs, TempDir: "tmp", Signals: s.signals, Version: "0.1.0", User: "somebody",
		Transport: func(string) http.RoundTripper { return net.Transport() },
	}
	config := "cluster \"target\" { endpoint = \"http://target:9200\" }\n" + fmt.Sprintf(moving, concurrency, method)
	if err := state.WriteFile(s.fs, "work/main.hcl", []byte(config)); err != nil {
		t.Fatal(err)
	}
	s.target.Must("PUT", "/to", map[string]any{})
	for i := range 4 {
		for n := range 20 {
			source.Put(fmt.Sprint("from-", i), fmt.Sprintf("%d-%02d", i, n), fmt.Sprintf(`{"n":%d}`, n), "")
		}
	}
	return s
}

// other is another terminal in the same folder.
func (s *sim) other() *sim {
	o := &sim{t: s.t, target: s.target, fs: s.fs, world: s.world, signals: make(chan os.Signal)}
	o.world.Signals = o.signals
	return o
}

// apply begins an apply; the function waits for its end.
func (s *sim) apply(args ...string) (wait func() (string, int)) {
	done := make(chan struct{})
	var out string
	var code int
	go func() {
		defer close(done)
		out, code = s.run(append([]string{"apply"}, args...)...)
	}()
	return func() (string, int) { <-done; return out, code }
}

// has says what lacks in a text.
func has(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%q is missing in:\n%s", w, text)
		}
	}
}

// fast wants a speed and when it will be over, in what status says of a copy.
func fast(t *testing.T, status string) {
	t.Helper()
	if !regexp.MustCompile(`of 80 documents +[1-9][0-9.]*/s +ETA [0-9]+ s`).MatchString(status) {
		t.Errorf("no speed in:\n%s", status)
	}
}

// begun counts the reindex requests so far.
func (s *sim) begun() (n int) {
	for _, r := range s.target.Writes() {
		if strings.HasPrefix(r.Path, "/_reindex?") && strings.Contains(r.Path, "wait_for_completion=false") {
			n++
		}
	}
	return n
}

// docs is how many documents have arrived.
func (s *sim) docs() int { return len(s.target.Docs("to")) }

const control = "work/esmig.state.json.control"

func (s *sim) controlled() bool {
	_, err := s.fs.ReadFile(control)
	return err == nil
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 1, "reindex")
		other := s.other()
		other.want(exitDone, `"esmig apply" begins`, "status")
		other.want(exitError, "No migration is under way", "pause")
		wait := s.apply("-auto-approve")
		time.Sleep(3 * time.Second)
		out, _ := other.run("status")
		has(t, out, "esmig apply runs: somebody on", "source/from-* → target/to", "of 80 documents", "0 of 4 ranges done, 1 running, 3 open", "0.0:", "ranges are copied, then it is verified")
		other.want(exitDone, "migration.m is paused", "pause")
		time.Sleep(5 * time.Minute)
		if n, d := s.begun(), s.docs(); n != 1 || d != 20 {
			t.Errorf("while it is paused %d ranges were begun and %d documents copied", n, d)
		}
		out, _ = other.run("status")
		has(t, out, "20 of 80 documents", "1 of 4 ranges done, 3 open", `paused until "esmig resume migration.m"`)
		other.want(exitDone, "migration.m is not paused", "resume", "migration.m")
		out, code := wait()
		if code != exitDone || s.docs() != 80 {
			t.Errorf("exit code %d, %d documents", code, s.docs())
		}
		if strings.Count(out, "migration.m: Paused:") != 1 || strings.Count(out, "No longer paused.") != 1 {
			t.Errorf("it is told once:\n%s", out)
		}
		if s.controlled() {
			t.Error("the control file stays")
		}
		other.want(exitDone, "All migrations are finished.", "status")
		other.want(exitDone, "nothing, it is finished", "status", "migration.m")
		other.want(exitError, "Migration is finished already", "pause", "migration.m")
		other.want(exitError, "The files have no migration migration.x", "throttle", "5", "migration.x")
	})
}

// TestPauseOutlives: the pause is kept when esmig is gone; the next apply says
// so in its plan, and waits.
func TestPauseOutlives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 1, "reindex")
		other := s.other()
		wait := s.apply("-auto-approve")
		time.Sleep(3 * time.Second)
		s.signals <- os.Interrupt
		if out, code := wait(); code != exitInterrupted {
			t.Fatalf("%d %s", code, out)
		}
		other.want(exitDone, "paused", "pause")
		out, _ := other.run("status")
		has(t, out, "No esmig runs here.", "1 running", `then "esmig apply" goes on`)
		other.want(exitDone, `paused: no range is copied or compared before "esmig resume migration.m"`, "plan")
		s.target.FinishTasks()
		wait = s.apply("-auto-approve")
		time.Sleep(time.Minute)
		if n := s.begun(); n != 1 {
			t.Errorf("%d ranges were begun", n)
		}
		other.want(exitDone, "not paused", "resume")
		if out, code := wait(); code != exitDone || s.docs() != 80 {
			t.Errorf("%d documents, %s", s.docs(), out)
		}
	})
}

// othersFS is the disk as a process sees it that may not read what another user
// has written.
type othersFS struct {
	state.FS
	name string
}

func (f othersFS) ReadFile(name string) ([]byte, error) {
	b, err := f.FS.ReadFile(name)
	if name == f.name && err == nil {
		return nil, denied("open", name)
	}
	return b, err
}

// TestPauseUnread: a control file that apply may not read, because "sudo esmig
// pause" wrote it, or that is damaged, may say anything: no range is begun and no
// speed is changed.
func TestPauseUnread(t *testing.T) {
	for _, c := range []struct {
		name, speeds string
		args         []string
	}{
		{"pause", "-1 ", []string{"pause"}},
		{"throttle", "5 ", []string{"throttle", "5"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMoving(t, 1, "reindex")
				other := s.other()
				s.world.FS = othersFS{s.fs, control}
				wait := s.apply("-auto-approve")
				time.Sleep(3 * time.Second)
				other.want(exitDone, "", c.args...)
				time.Sleep(5 * time.Second)
				if got := s.speeds(); got != c.speeds {
					t.Errorf("the running task has %s", got)
				}
				time.Sleep(5 * time.Minute)
				if n := s.begun(); n != 1 {
					t.Errorf("%d ranges were begun", n)
				}
				other.want(exitDone, "", "resume")
				other.want(exitDone, "", "throttle", "off")
				out, code := wait()
				if code != exitDone || s.docs() != 80 {
					t.Errorf("exit code %d, %d documents", code, s.docs())
				}
				for _, text := range []string{"permission denied", "no range is begun and no speed is changed", "what it says now holds"} {
					if strings.Count(strings.ReplaceAll(out, "\n", " "), text) != 1 {
						t.Errorf("%q is not told once:\n%s", text, out)
					}
				}
			})
		})
	}
	t.Run("damaged before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newMoving(t, 1, "reindex")
			if err := state.WriteFile(s.fs, control, []byte(`{"version":1,"addr`)); err != nil {
				t.Fatal(err)
			}
			wait := s.apply("-auto-approve")
			time.Sleep(5 * time.Minute)
			if n := s.begun(); n != 0 {
				t.Errorf("%d ranges were begun", n)
			}
			if err := s.fs.Remove(control); err != nil {
				t.Fatal(err)
			}
			if out, code := wait(); code != exitDone || s.docs() != 80 {
				t.Errorf("exit code %d, %d documents\n%s", code, s.docs(), out)
			}
		})
	})
}

// speeds of the tasks that run.
func (s *sim) speeds() string {
	var list struct {
		Nodes map[string]struct {
			Tasks map[string]struct {
				Status struct {
					Speed float64 `json:"requests_per_second"`
				}
			}
		}
	}
	if err := json.Unmarshal(s.target.Must("GET", "/_tasks?detailed=true&actions=*reindex", nil), &list); err != nil {
		s.t.Fatal(err)
	}
	out := ""
	for _, n := range list.Nodes {
		for _, x := range n.Tasks {
			out += fmt.Sprint(x.Status.Speed, " ")
		}
	}
	return out
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 2, "reindex")
		other := s.other()
		wait := s.apply("-auto-approve")
		time.Sleep(3 * time.Second)
		other.want(exitDone, "migration.m copies up to 60 documents per second; 2 running tasks were told.", "throttle", "60")
		if got := s.speeds(); got != "30 30 " {
			t.Errorf("running tasks have %s", got)
		}
		out, _ := other.run("status")
		has(t, out, "throttled to 60/s", "at most 30/s")
		fast(t, out)
		out, _ = other.run("status", "-json")
		var st engine.Status
		if err := json.Unmarshal([]byte(out), &st); err != nil || len(st.Migrations) != 1 || len(st.Migrations[0].Status.Tasks) != 2 ||
			st.Migrations[0].Status.PerSecond <= 0 || st.Migrations[0].Control.RequestsPerSecond != 60 || st.Running == nil || st.Running.Operation != "apply" {
			t.Errorf("%v %s", err, out)
		}
		s.target.FinishTasks()
		time.Sleep(3 * time.Second)
		if got := s.speeds(); got != "30 30 " {
			t.Errorf("new tasks have %s", got)
		}
		other.want(exitDone, "migration.m copies as fast as its block says; 2 running tasks were told.", "throttle", "off", "migration.m")
		if got := s.speeds(); got != "-1 -1 " || s.controlled() {
			t.Errorf("running tasks have %s; control file: %v", got, s.controlled())
		}
		if out, code := wait(); code != exitDone || s.docs() != 80 {
			t.Errorf("%d documents, %s", s.docs(), out)
		}
		for _, n := range []string{"0", "fast", "inf", "NaN", ""} {
			other.want(exitError, "Not a speed", "throttle", n)
		}
	})
}

// TestThrottleWritten: tasks that could not be told by the command are told by
// the apply that runs.
func TestThrottleWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 2, "reindex")
		other := s.other()
		wait := s.apply("-auto-approve")
		time.Sleep(3 * time.Second)
		file := []byte(`{"version":1,"addresses":{"migration.m":{"requests_per_second":10}}}`)
		if err := state.WriteFile(s.fs, control, file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if got := s.speeds(); got != "5 5 " {
			t.Errorf("running tasks have %s", got)
		}
		if err := state.WriteFile(s.fs, control, file[:20]); err != nil { // what it said last holds
			t.Fatal(err)
		}
		other.want(exitError, "control cannot be used: unexpected EOF", "pause")
		time.Sleep(3 * time.Second)
		if got := s.speeds(); got != "5 5 " {
			t.Errorf("running tasks have %s", got)
		}
		if err := s.fs.Remove(control); err != nil {
			t.Fatal(err)
		}
		out, code := wait()
		if code != exitDone || strings.Count(out, "control cannot be used") != 1 {
			t.Errorf("%d %s", code, out)
		}
	})
}

// TestThrottleStream: documents that pass through esmig keep to it too.
func TestThrottleStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 1, "stream")
		other := s.other()
		other.want(exitDone, "no task runs now", "throttle", "1", "migration.m")
		begin := time.Now()
		wait := s.apply("-auto-approve")
		time.Sleep(10 * time.Second)
		if d := s.docs(); d < 5 || d > 15 {
			t.Errorf("%d documents after 10 seconds", d)
		}
		other.want(exitDone, "the apply that runs shows the speed", "status")
		other.want(exitDone, "", "throttle", "10", "migration.m")
		time.Sleep(4 * time.Second)
		out, _ := other.run("status") // a range is done by now, which tells it
		fast(t, out)
		if strings.Contains(out, "shows the speed") {
			t.Error(out)
		}
		if out, code := wait(); code != exitDone || s.docs() != 80 {
			t.Fatalf("%d documents, %s", s.docs(), out)
		}
		if took := time.Since(begin); took < 15*time.Second || took > 25*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestStatusOfStoppedStream: nothing passes through an esmig that is gone, so no
// speed is told of it.
func TestStatusOfStoppedStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 1, "stream")
		other := s.other()
		other.want(exitDone, "", "throttle", "10", "migration.m")
		wait := s.apply("-auto-approve")
		time.Sleep(3 * time.Second)
		out, _ := other.run("status")
		fast(t, out)
		s.signals <- os.Interrupt
		if out, code := wait(); code != exitInterrupted {
			t.Fatalf("%d %s", code, out)
		}
		out, _ = other.run("status")
		has(t, out, "No esmig runs here.", "1 begun")
		if strings.Contains(out, "ETA") {
			t.Errorf("a speed of what does not run:\n%s", out)
		}
	})
}

// TestSteerVerification: what the user wants holds until the migration is done,
// and so for its verification, which loads the source as the copy does.
func TestSteerVerification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 1, "stream")
		s.compareAll()
		other := s.other()
		other.want(exitDone, "", "throttle", "10", "migration.m")
		begin := time.Now()
		wait := s.apply("-auto-approve")
		time.Sleep(10 * time.Second) // 6 of them for the copy
		if d := s.docs(); d != 80 || !s.controlled() {
			t.Fatalf("%d documents; controlled: %v", d, s.controlled())
		}
		out, _ := other.run("status")
		has(t, out, "is being verified", "throttled to 10/s")
		other.want(exitDone, "migration.m is paused: nothing more is compared.", "pause")
		requests := len(s.target.Requests())
		time.Sleep(10 * time.Minute)
		if n := len(s.target.Requests()) - requests; n > 5 {
			t.Errorf("%d requests while it is paused", n)
		}
		out, _ = other.run("status")
		has(t, out, `paused until "esmig resume migration.m"`)
		other.want(exitDone, "migration.m compares up to 20 documents per second.\n", "throttle", "20", "migration.m")
		other.want(exitDone, "migration.m is not paused", "resume", "migration.m")
		out, code := wait()
		if code != exitDone || strings.Count(out, "migration.m: Paused:") != 1 || strings.Count(out, "No longer paused.") != 1 {
			t.Errorf("%d %s", code, out)
		}
		if took := time.Since(begin) - 10*time.Minute; took < 10*time.Second || took > 25*time.Second {
			t.Errorf("it took %v", took)
		}
		if s.controlled() {
			t.Error("the control file stays")
		}
		other.want(exitError, "Migration is finished already", "throttle", "10", "migration.m")
	})
}

// TestSteerVerify: esmig verify, too, is paused and throttled, by the address.
func TestSteerVerify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 1, "stream")
		s.compareAll()
		s.want(exitDone, "80 of 80 identical", "apply", "-auto-approve")
		other := s.other()
		s.target.Fault(func(*http.Request) providertest.Fault { return providertest.Fault{Delay: time.Second} })
		done := make(chan int)
		begin := time.Now()
		go func() {
			_, code := s.run("verify")
			done <- code
		}()
		time.Sleep(1500 * time.Millisecond)
		other.want(exitError, "No migration is under way", "pause")
		other.want(exitDone, "nothing more is compared", "pause", "migration.m")
		time.Sleep(5 * time.Minute)
		// It is finished, and can be found all the same.
		for _, args := range [][]string{{"status", "migration.m"}, {"status"}} {
			other.want(exitDone, `next: finished; to verify it again waits for "esmig resume migration.m"`, args...)
		}
		other.want(exitDone, "is not paused", "resume")
		other.want(exitDone, "All migrations are finished.", "status")
		if code := <-done; code != exitDone || time.Since(begin) < 5*time.Minute || s.controlled() {
			t.Errorf("exit code %d after %v; controlled: %v", code, time.Since(begin), s.controlled())
		}
		// One that is stopped leaves the pause behind, which is told, and can be
		// taken back without the address.
		go func() {
			_, code := s.run("verify")
			done <- code
		}()
		time.Sleep(1500 * time.Millisecond)
		other.want(exitDone, "nothing more is compared", "pause", "migration.m")
		time.Sleep(time.Minute)
		s.signals <- os.Interrupt
		if code := <-done; code != exitInterrupted || !s.controlled() {
			t.Errorf("exit code %d; controlled: %v", code, s.controlled())
		}
		s.want(exitDone, `waits for "esmig resume migration.m"`, "status")
		s.want(exitDone, "is not paused", "resume")
		s.want(exitDone, "80 of 80 identical", "verify")
	})
}

func TestInterrupt(t *testing.T) {
	for _, c := range []struct {
		name, flag, typed string
		tty, cancel       bool
		file, json, ended bool // where nobody sees a question, or would answer it
	}{
		{name: "left without a terminal"},
		{name: "left by the flag", flag: "leave", tty: true, typed: "yes\n"},
		{name: "left by an answer", tty: true, typed: "no\n"},
		{name: "left with the output in a file", tty: true, file: true, typed: "yes\n"},
		{name: "left with -json", tty: true, json: true, typed: "yes\n"},
		{name: "left when terminated", tty: true, ended: true, typed: "yes\n"},
		{name: "cancelled by an answer", tty: true, typed: "yes\n", cancel: true},
		{name: "cancelled by the flag", flag: "cancel", cancel: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMoving(t, 2, "reindex")
				s.world.StdinTTY, s.world.StdoutTTY, s.world.Stdin = c.tty, c.tty && !c.file, strings.NewReader(c.typed)
				args := []string{"-auto-approve"}
				if c.json {
					args = append(args, "-json")
				}
				if c.flag != "" {
					args = append(args, "-on-interrupt", c.flag)
				}
				wait := s.apply(args...)
				time.Sleep(3 * time.Second)
				var signal os.Signal = os.Interrupt
				if c.ended {
					signal = syscall.SIGTERM
				}
				s.signals <- signal
				out, code := wait()
				if code != exitInterrupted {
					t.Errorf("exit code %d", code)
				}
				if asked := strings.Contains(out, "2 tasks still run on the destination: migration.m."); asked != (c.tty && c.flag == "" && !c.file && !c.json && !c.ended) {
					t.Errorf("asked: %v\n%s", asked, out)
				}
				if cancelled := s.speeds() == ""; cancelled != c.cancel {
					t.Errorf("tasks that run: %q", s.speeds())
				}
				if strings.Contains(out, "2 tasks were cancelled on target") != c.cancel {
					t.Error(out)
				}
				before := s.begun()
				s.world.StdoutTTY = false
				out, code = s.run("apply", "-auto-approve")
				again := s.begun() - before
				if want := map[bool]int{false: 2, true: 4}[c.cancel]; code != exitDone || again != want || s.docs() != 80 {
					t.Errorf("exit code %d, %d ranges were begun, want %d, %d documents:\n%s", code, again, want, s.docs(), out)
				}
				if c.cancel {
					has(t, out, "2 ranges start again")
				} else {
					has(t, out, "2 tasks still run on target and are followed")
				}
			})
		})
	}
}

// TestStatusWithoutABlock: a half-done copy whose block was taken out of the
// files still has tasks on the destination.
func TestStatusWithoutABlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 2, "reindex")
		wait := s.apply("-auto-approve")
		time.Sleep(3 * time.Second)
		s.signals <- os.Interrupt
		if out, code := wait(); code != exitInterrupted {
			t.Fatalf("%d %s", code, out)
		}
		config := "cluster \"target\" { endpoint = \"http://target:9200\" }\ncluster \"source\" { endpoint = \"http://source:9200\" }\n"
		if err := state.WriteFile(s.fs, "work/main.hcl", []byte(config)); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"status"}, {"status", "migration.m"}} {
			out, _ := s.run(args...)
			if strings.Contains(out, "All migrations are finished.") {
				t.Error(out)
			}
			has(t, out, "migration.m", "source/from-* → target/to", "of 80 documents", "2 running", `its block is gone from the files; the next "esmig apply" releases it`)
		}
		s.want(exitDone, "1 forgotten", "apply", "-auto-approve")
		s.want(exitDone, "All migrations are finished.", "status")
		if got := s.speeds(); got != "" {
			t.Errorf("tasks that run: %s", got)
		}
	})
}

// TestInterruptTwice: at the question, too, the second Ctrl-C leaves at once.
func TestInterruptTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 2, "reindex")
		in := make(blocked)
		defer close(in)
		s.world.StdinTTY, s.world.StdoutTTY, s.world.Stdin = true, true, in
		asked := make(chan struct{})
		s.world.Args, s.world.Stdout, s.world.Stderr = []string{"apply", "-auto-approve"}, question{asked}, io.Discard
		code := make(chan int)
		go func() { code <- run(t.Context(), s.world) }()
		time.Sleep(3 * time.Second)
		s.signals <- os.Interrupt
		<-asked
		s.signals <- os.Interrupt
		if got := <-code; got != exitInterrupted {
			t.Errorf("exit code %d", got)
		}
		if got := s.speeds(); got != "-1 -1 " {
			t.Errorf("tasks that run: %s", got)
		}
	})
}

// question is a terminal that tells when something is asked.
type question struct{ asked chan struct{} }

func (q question) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("Cancel?")) {
		close(q.asked)
	}
	return len(b), nil
}

// TestRetry: refused documents are kept, and copied when it is mended.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 1, "stream")
		s.target.Must("DELETE", "/to", nil)
		s.target.Must("PUT", "/to", map[string]any{"mappings": map[string]any{"properties": map[string]any{"n": map[string]any{"type": "boolean"}}}})
		s.want(exitError, "Nothing to retry", "retry", "-auto-approve", "migration.m")
		out, code := s.run("apply", "-auto-approve")
		if code != exitError {
			t.Fatalf("exit code %d", code)
		}
		has(t, out, "The destination refused documents", `esmig retry migration.m`, "esmig.dead.migration.m.ndjson")
		raw, err := s.fs.ReadFile("work/esmig.dead.migration.m.ndjson")
		if err != nil || bytes.Count(raw, []byte("\n")) != 20 || !bytes.Contains(raw, []byte(`"field":"n"`)) {
			t.Errorf("%v %s", err, raw)
		}
		s.target.Must("DELETE", "/to", nil)
		s.target.Must("PUT", "/to", map[string]any{})
		s.want(exitDone, "1 migrated", "retry", "-auto-approve", "migration.m")
		if _, err := s.fs.ReadFile("work/esmig.dead.migration.m.ndjson"); err == nil || s.docs() != 80 {
			t.Errorf("%d documents; dead letters are still there: %v", s.docs(), err == nil)
		}
		s.want(exitError, "needs the address of one migration", "retry", "-auto-approve")
	})
}

// TestRepair: what somebody changed is found, reported for build servers, and
// copied again without the rest.
func TestRepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 2, "stream")
		s.compareAll()
		s.want(exitError, "Nothing to verify", "repair", "migration.m")
		s.want(exitDone, "80 of 80 identical", "apply", "-auto-approve")
		s.want(exitDone, "80 of 80 identical", "verify", "-junit", "report.xml")
		s.report(`tests="1" failures="0" errors="0"`, `<testcase name="migration.m" classname="esmig verify"`)
		s.target.Must("PUT", "/to/_doc/0-03?version=1&version_type=external_gte&refresh=true", `{"n":41}`)
		s.target.Must("DELETE", "/to/_doc/1-05?refresh=true", nil)
		s.target.Put("to", "more", `{"n":1}`, "")
		s.want(exitUnverified, `"esmig repair migration.m" copies just these again.`, "verify", "-junit", "report.xml")
		s.report(`failures="1" errors="0"`, `message="1 missing, 1 different, 1 extra"`, "missing 1-05", "different 0-03  n  3 → 41", "extra more")
		s.want(exitDone, `the last verification found a difference; "esmig repair migration.m"`, "status")
		s.want(exitUnverified, "repaired: 1 missing copied, 1 different copied", "repair", "migration.m")
		s.want(exitDone, "repaired: 1 extra deleted", "repair", "-delete-extra", "migration.m")
		s.want(exitDone, "All migrations are finished.", "status")
		s.target.Fault(func(*http.Request) providertest.Fault { return providertest.Fault{Status: 401} })
		s.want(exitError, "", "verify", "-junit", "report.xml")
		s.report(`tests="1" failures="0" errors="1"`)
	})
}

// TestRepairStopped: what a repair has written before it was stopped, or failed,
// is told, and that the destination is no longer known to be the same.
func TestRepairStopped(t *testing.T) {
	for _, interrupt := range []bool{true, false} {
		t.Run(fmt.Sprint("interrupt=", interrupt), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMoving(t, 2, "stream")
				s.compareAll()
				s.want(exitDone, "80 of 80 identical", "apply", "-auto-approve")
				for _, id := range []string{"0-03", "1-05", "2-07"} {
					s.target.Must("DELETE", "/to/_doc/"+id+"?refresh=true", nil)
				}
				s.target.Put("to", "more", `{"n":1}`, "")
				bulks := 0
				s.target.Fault(func(r *http.Request) providertest.Fault {
					if r.URL.Path != "/_bulk" {
						return providertest.Fault{}
					}
					if bulks++; bulks != 2 {
						return providertest.Fault{}
					}
					if !interrupt {
						return providertest.Fault{Status: 401}
					}
					go func() { s.signals <- os.Interrupt }()
					return providertest.Fault{Delay: time.Second}
				})
				out, code := s.run("repair", "-delete-extra", "migration.m")
				if want := map[bool]int{true: exitInterrupted, false: exitError}[interrupt]; code != want {
					t.Errorf("exit code %d, want %d", code, want)
				}
				if strings.Contains(out, "Nothing has been changed") || strings.Contains(out, "nothing to do") || strings.Contains(out, `Run "esmig apply"`) {
					t.Error("it says that nothing was done, or that apply goes on with it")
				}
				has(t, out, "missing copied before it stopped", `"esmig repair migration.m"`)
				if n := s.docs(); !strings.Contains(out, fmt.Sprint(n-78, " missing copied")) {
					t.Errorf("%d were copied again", n-78)
				}
				s.target.Fault(nil)
				s.want(exitDone, "the last verification found a difference", "status")
				s.want(exitDone, "repaired: ", "repair", "-delete-extra", "migration.m")
				s.want(exitDone, "All migrations are finished.", "status")
			})
		})
	}
}

// TestRepairInterruptedEarly: one that has found nothing yet changes nothing.
func TestRepairInterruptedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 2, "stream")
		s.compareAll()
		s.want(exitDone, "80 of 80 identical", "apply", "-auto-approve")
		once := false
		s.target.Fault(func(r *http.Request) providertest.Fault {
			if !once && strings.HasSuffix(r.URL.Path, "/_refresh") {
				once = true
				go func() { s.signals <- os.Interrupt }()
			}
			return providertest.Fault{Delay: time.Second}
		})
		s.want(exitInterrupted, "Nothing has been changed", "repair", "migration.m")
		s.target.Fault(nil)
		s.want(exitDone, "All migrations are finished.", "status")
	})
}

// TestVerifyInstances: a block that is named means all its instances, and is not
// green while one of them is not copied.
func TestVerifyInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 2, "stream")
		config, err := s.fs.ReadFile("work/main.hcl")
		if err != nil {
			t.Fatal(err)
		}
		config = bytes.ReplaceAll(config, []byte(`migration "m" {`), []byte("migration \"m\" {\n  for_each = toset([\"a\", \"b\"])"))
		config = bytes.ReplaceAll(config, []byte(`index   = "to"`), []byte(`index   = "to-${each.key}"`))
		if err := state.WriteFile(s.fs, "work/main.hcl", config); err != nil {
			t.Fatal(err)
		}
		s.target.Must("PUT", "/to-a", map[string]any{})
		s.target.Must("PUT", "/to-b", map[string]any{})
		s.want(exitDone, "1 migrated and verified", "apply", "-auto-approve", "-target", `migration.m["a"]`)
		s.want(exitError, "Instances are not copied", "verify", "-junit", "report.xml", "migration.m")
		s.report(`tests="1" failures="0" errors="1"`, "migration.m[&#34;b&#34;]")
		s.want(exitError, `'migration.m["b"]'`, "repair", "migration.m")
		s.want(exitDone, "1 verified", "verify", `migration.m["a"]`)
		s.want(exitDone, "1 verified", "verify")
		s.want(exitDone, "1 migrated and verified", "apply", "-auto-approve")
		s.want(exitDone, "2 verified", "verify", "migration.m")
	})
}

// compareAll makes the migration compare all documents.
func (s *sim) compareAll() {
	s.t.Helper()
	config, err := s.fs.ReadFile("work/main.hcl")
	if err == nil {
		err = state.WriteFile(s.fs, "work/main.hcl", bytes.ReplaceAll(config, []byte(`"count"`), []byte(`"full"`)))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *sim) report(want ...string) {
	s.t.Helper()
	raw, err := s.fs.ReadFile("work/report.xml")
	if err != nil {
		s.t.Fatal(err)
	}
	var any struct {
		XMLName xml.Name `xml:"testsuites"`
	}
	if err := xml.Unmarshal(raw, &any); err != nil {
		s.t.Error(err)
	}
	has(s.t, string(raw), want...)
}
