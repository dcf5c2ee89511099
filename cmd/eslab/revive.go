package main

// mostRevivals keeps a server that cannot live from being started for ever.
const mostRevivals = 20

// revive starts a server again that ended although nobody asked the lab for it,
// at its old address and on its own data: a test kills a node to see what a
// restart leaves.
func (b *boot) revive() {
	for range mostRevivals {
		b.mu.Lock()
		p := b.process
		b.mu.Unlock()
		<-p.done
		b.mu.Lock()
		if b.stopping {
			b.mu.Unlock()
			return
		}
		b.guard.forget(p.cmd.Process.Pid)
		next, err := startProcess(b.task, b.who)
		if err == nil {
			b.guard.watch(next.cmd.Process.Pid)
			b.process, b.pid = next, 0 // stop ends its whole group
		}
		b.mu.Unlock()
		if err != nil {
			progress("%s has ended and cannot be started again: %v", b.name, err)
			return
		}
		progress("%s has ended and is started again", b.name)
	}
}
