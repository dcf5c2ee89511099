package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports are taken from below the ranges that systems give to outgoing
// connections (32768 and up on Linux): a server binds its port seconds after it
// was found free, and a busy test would take it away meanwhile.
var usualPorts = portRange{20000, 29999}

type portRange struct{ first, last int }

var (
	portsMu    sync.Mutex
	portsTaken = map[int]bool{}
)

// free finds a port of loopback on which nothing listens, and never gives the
// same one twice. It starts anywhere, so that labs side by side do not meet.
func (r portRange) free() (int, error) {
	portsMu.Lock()
	defer portsMu.Unlock()
	size := r.last - r.first + 1
	start := rand.IntN(size)
	for i := range size {
		port := r.first + (start+i)%size
		if portsTaken[port] {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		l.Close()
		portsTaken[port] = true
		return port, nil
	}
	return 0, fmt.Errorf("no free port on 127.0.0.1 between %d and %d; end what listens there", r.first, r.last)
}
