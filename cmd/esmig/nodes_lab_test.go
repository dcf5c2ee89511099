package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

const labNodes = `
migration "m" {
  method = "reindex"
  requests_per_second = %[2]d
  source { index = "%[1]s-from" }
  dest { index = %[3]s }
}
`

const labNodesIndex = `
index "i" {
  name                = "%s-to"
  deletion_protection = false
  settings            = { number_of_shards = 2, number_of_replicas = 1 }
  mappings            = { properties = { n = { type = "long" }, word = { type = "keyword" }, at = { type = "date" } } }
}
`

// A node that tasks run on, and which is not the one that esmig talks to, is
// killed: a destination that is not esmig's own keeps its replica, so that only
// what those tasks had not done is done again; one that is esmig's own waits for
// its shards to come back.
func TestLabOtherNodeKilled(t *testing.T) {
	for _, own := range []bool{false, true} {
		t.Run(map[bool]string{false: "replica kept", true: "relaxed"}[own], func(t *testing.T) {
			n := documents(t, 60_000)
			name := fmt.Sprint("other-", own)
			source, target := lab(t, "source"), lab(t, "nodes")
			if target.pid() == 0 {
				t.Skip("the nodes are not servers of the lab, which could be killed and begun again")
			}
			other, pid := target.other()
			source.wipe("/" + name + "-from")
			target.wipe("/" + name + "-to")
			source.many(name+"-from", n)
			hcl := fmt.Sprintf(labNodes, name, n/10, "index.i.name") + fmt.Sprintf(labNodesIndex, name)
			if !own {
				hcl = fmt.Sprintf(labNodes, name, n/10, `"`+name+`-to"`)
				target.do("PUT", "/"+name+"-to", `{"settings":{"number_of_shards":2,"number_of_replicas":1}}`)
			}
			f := newFolder(t, hcl, source, target)
			lost := 0
			out, _ := f.killWhen(func(line string) bool {
				if done, _ := progressed(line); done > n/4 && lost == 0 {
					if lost = target.tasksOn(other); lost > 0 {
						if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
							t.Fatal(err)
						}
					}
				}
				return false
			}, "apply", "-auto-approve", "-json")
			if lost == 0 {
				t.Fatalf("the node was not killed:\n%s", out)
			}
			f.esmig(0, "verify")
			read, created, conflicts, ranges := f.finished()
			t.Logf("%d tasks lost, %d ranges: %d documents read, %d made, %d were there already; a node avoided: %v", lost, ranges, read, created, conflicts, strings.Contains(out, "no more tasks begin on it"))
			if told := strings.Contains(out, "A node of target restarted"); told != own {
				t.Errorf("that documents may be lost was told: %v\n%.3000s", told, out)
			}
			if most := (lost + 1) * n / max(ranges, 1); !own && (read != n || conflicts > most) {
				t.Errorf("%d documents were copied again; %d lost tasks had at most %d", conflicts, lost, most)
			}
			if got := target.count(name + "-to"); got != n {
				t.Errorf("%d documents of %d", got, n)
			}
			if s := string(target.do("GET", "/"+name+"-to/_settings", "")); !strings.Contains(s, `"number_of_replicas":"1"`) || strings.Contains(s, "async") {
				t.Errorf("settings were not put back: %s", s)
			}
			f.settled()
		})
	}
}

// other is a node of the cluster that the address of the server is not of: its
// id and its process.
func (s *server) other() (id string, pid int) {
	s.t.Helper()
	var a struct {
		Nodes map[string]struct {
			HTTP struct {
				Publish string `json:"publish_address"`
			}
			Process struct{ ID int }
		}
	}
	if err := json.Unmarshal(s.do("GET", "/_nodes/http,process", ""), &a); err != nil {
		s.t.Fatal(err)
	}
	for id, n := range a.Nodes {
		if !strings.HasSuffix(s.url, n.HTTP.Publish) {
			return id, n.Process.ID
		}
	}
	s.t.Fatalf("%s has one node", s.url)
	return
}

// tasksOn counts the reindex tasks that run on a node.
func (s *server) tasksOn(node string) int {
	s.t.Helper()
	var a struct {
		Nodes map[string]struct{ Tasks map[string]any }
	}
	if err := json.Unmarshal(s.do("GET", "/_tasks?actions=*reindex&nodes="+node, ""), &a); err != nil {
		s.t.Fatal(err)
	}
	return len(a.Nodes[node].Tasks)
}
