package main

import "fmt"

// another is one more node of b's cluster: it is booted beside it and ended
// like any server, but the command hears only of the first.
func (b *boot) another(n int) (*boot, error) {
	s := *b.spec
	s.name = fmt.Sprintf("%s-%d", b.name, n)
	s.apiKeys = false // the cluster has them already
	port, err := usualPorts.free()
	return &boot{spec: &s, lab: b.lab, dir: fmt.Sprintf("%s-%d", b.dir, n), java: b.java, password: b.password, first: b, transport: port}, err
}

// oneOfMany makes settings those of a node of a cluster that has more of them.
// Only the first can be master, so that the cluster outlives all others: tests
// kill those.
func (b *boot) oneOfMany(settings map[string]any) {
	delete(settings, "discovery.type")
	first := b
	if b.first != nil {
		first = b.first
		settings["node.roles"] = []string{"data", "ingest"}
	} else {
		settings["cluster.initial_master_nodes"] = []string{b.name}
	}
	settings["cluster.name"] = "esmig-" + first.name
	settings["discovery.seed_hosts"] = []string{fmt.Sprintf("127.0.0.1:%d", first.transport)}
}
