package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/esmig/esmig/providers/providertest"
)

// TestCommandThatGoesOn: what failed or was stopped names the command that does
// the rest of it. An apply knows nothing of a verification that did not end, and
// would say that nothing changed.
func TestCommandThatGoesOn(t *testing.T) {
	for _, interrupt := range []bool{true, false} {
		t.Run(fmt.Sprint("interrupt=", interrupt), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMoving(t, 2, "stream")
				s.compareAll()
				s.want(exitDone, "80 of 80 identical", "apply", "-auto-approve")
				s.target.Fault(func(r *http.Request) providertest.Fault {
					switch {
					case !strings.HasSuffix(r.URL.Path, "/_search"):
						return providertest.Fault{}
					case !interrupt:
						return providertest.Fault{Status: 401}
					}
					go func() { s.signals <- os.Interrupt }()
					return providertest.Fault{Delay: time.Minute}
				})
				code, word := exitError, "Failed: 1 failed."
				if interrupt {
					code, word = exitInterrupted, "Stopped: nothing was finished."
				}
				out, got := s.run("verify")
				if got != code || strings.Contains(out, "esmig apply") || strings.Contains(out, "nothing to do") {
					t.Errorf("exit code %d, want %d:\n%s", got, code, out)
				}
				has(t, out, word, `Run "esmig verify migration.m"`)
				s.target.Fault(nil)
				s.want(exitDone, "80 of 80 identical", "verify", "migration.m")
			})
		})
	}
}

// TestDestroyThatFails: an apply would make it all again.
func TestDestroyThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 2, "stream")
		s.write("main.hcl", `
cluster "target" { endpoint = "http://target:9200" }
index "i" {
  cluster             = cluster.target
  name                = "made"
  deletion_protection = false
}
`)
		s.want(exitDone, "1 created", "apply", "-auto-approve")
		s.target.Fault(func(r *http.Request) providertest.Fault {
			if r.Method == http.MethodDelete {
				return providertest.Fault{Status: 401}
			}
			return providertest.Fault{}
		})
		out, code := s.run("destroy", "-auto-approve")
		if code != exitError || strings.Contains(out, "esmig apply") {
			t.Errorf("exit code %d:\n%s", code, out)
		}
		has(t, out, `Run "esmig destroy" again`)
		s.target.Fault(nil)
		s.want(exitDone, "1 deleted", "destroy", "-auto-approve")
	})
}

// TestEventLogOfAnother: a command that is refused because the state is locked
// leaves the file of events alone, which the esmig that has the lock may be
// writing.
func TestEventLogOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 1, "reindex")
		wait := s.apply("-auto-approve", "-json-into", "events.jsonl")
		time.Sleep(3 * time.Second)
		s.other().want(exitError, "State is locked", "apply", "-auto-approve", "-json-into", "events.jsonl")
		waits := s.other()
		go func() {
			time.Sleep(time.Second)
			waits.signals <- os.Interrupt
		}()
		waits.want(exitInterrupted, "Nothing has been changed", "apply", "-auto-approve", "-lock-timeout", "2h", "-json-into", "events.jsonl")
		if _, code := wait(); code != exitDone {
			t.Errorf("exit code %d", code)
		}
		has(t, s.read("events.jsonl"), `"type":"apply_started"`, `"type":"summary"`)
		s.want(exitDone, "80 of 80", "show", "-events", "events.jsonl")
	})
}

// TestEventLogOfRefused: what was refused before anything began is in the file
// of events, too, with and without -json.
func TestEventLogOfRefused(t *testing.T) {
	for _, json := range []bool{true, false} {
		t.Run(fmt.Sprint("json=", json), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMoving(t, 1, "reindex")
				args := []string{"apply", "-auto-approve", "-json-into", "events.jsonl"}
				if json {
					args = append(args, "-json")
				}
				good := s.read("main.hcl")
				s.write("main.hcl", strings.ReplaceAll(good, "concurrency", "konkurrenz"))
				s.want(exitError, "konkurrenz", args...)
				has(t, s.read("events.jsonl"), `"type":"version"`, `"type":"finding"`, "konkurrenz")

				s.write("main.hcl", strings.ReplaceAll(good, "from-*", "nothing-there"))
				s.want(exitError, "nothing-there", args...)
				if log := s.read("events.jsonl"); strings.Contains(log, "konkurrenz") || !strings.Contains(log, "nothing-there") {
					t.Errorf("the failed plan is not in place of the former one:\n%s", log)
				}
			})
		})
	}
}

// TestLockWaitEnds: who gives up waiting for the lock gets nothing done later.
func TestLockWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 1, "reindex")
		wait := s.apply("-auto-approve")
		time.Sleep(3 * time.Second)
		o := s.other()
		go func() {
			time.Sleep(time.Second)
			o.signals <- os.Interrupt
		}()
		begin := time.Now()
		o.want(exitInterrupted, "Interrupted. Nothing has been changed.", "state", "rm", "-lock-timeout", "2h", "migration.m")
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("it waited for %v", d)
		}
		if _, code := wait(); code != exitDone {
			t.Errorf("exit code %d", code)
		}
		s.want(exitDone, "migration.m", "state", "list")
	})
}

// TestStatusOfFinished: it tells what was compared, and names no command that
// refuses to run.
func TestStatusOfFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMoving(t, 2, "stream")
		good := s.read("main.hcl")
		s.want(exitDone, "80 of 80 documents there, by count", "apply", "-auto-approve")
		s.want(exitDone, "verified: 80 of 80 documents there, by count", "status", "migration.m")

		s.write("main.hcl", strings.ReplaceAll(good, `"count"`, `"none"`))
		s.want(exitDone, "", "apply", "-auto-approve", "-restart", "migration.m")
		s.want(exitDone, "next: nothing, it is finished", "status", "migration.m")
		s.want(exitError, `says verify = "none"`, "verify", "migration.m")
	})
}
