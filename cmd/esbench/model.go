package main

import (
	"cmp"
	"math"
	"slices"
)

// params describe a migration that is too large to try, on clusters that
// nobody has to hand.
type params struct {
	documents, bytes float64
	indices, nodes   float64
	shards           float64 // of an index
	// Of a node: assumed.
	cores   float64
	network float64 // bytes per second each way
	disk    float64 // bytes of documents per second, merges and translog included
	heap    float64 // bytes that copies may take of it
	scrolls float64 // search contexts that it allows

	// Of esmig: as it is written.
	docsPerRange, fewest, most float64
	parallelism, concurrency   float64
	spread                     bool    // tasks are started on all nodes, not on one
	poll                       float64 // seconds between two looks at a task
	ramp                       float64 // looks before the pauses are that long
	batch                      float64 // bytes

	// As measured on the lab.
	taskSpeed     float64 // documents per second of one _reindex
	coreSpeed     float64 // documents per second that a core of the destination indexes
	digestSpeed   float64 // documents per second that a core digests
	journalRange  float64 // bytes that a range adds to the journal
	stateIndex    float64 // bytes that an index with its migration adds to the state
	memory        float64 // bytes of esmig with one migration
	perDocument   float64 // bytes that an answer adds to each document
	journalSecond float64 // records that can be made durable in a second
}

// big is the migration of the issue: 100 TB in 200 billion documents and 3,000
// indices, between two clusters of 100 nodes.
func big() params {
	return params{
		documents: 200e9, bytes: 100e12, indices: 3000, nodes: 100, shards: 1,
		cores: 16, network: 1.25e9, disk: 40e6, heap: 3e9, scrolls: 500,
		docsPerRange: 500_000, fewest: 8, most: 10_000, parallelism: 10, concurrency: 4, poll: 2, ramp: 8, batch: 5e6,
		taskSpeed: 45_000, coreSpeed: 40_000, digestSpeed: 200_000,
		journalRange: 580, stateIndex: 3000, memory: 40e6, perDocument: 100, journalSecond: 200,
	}
}

// measured takes into the model what a go has found out.
func measured(r *results) params {
	p := big()
	set := func(to *float64, v float64) {
		if v > 0 {
			*to = v
		}
	}
	if n := len(r.Linear); n > 0 {
		// Below some size the number of ranges is fixed and says nothing.
		if last := r.Linear[n-1]; float64(last.Ranges) > p.fewest {
			p.docsPerRange = float64(last.Documents) / float64(last.Ranges)
			set(&p.journalRange, float64(last.Journal)/float64(last.Ranges))
		}
	}
	flat := r.shape("flat")
	if flat == nil {
		return p
	}
	set(&p.taskSpeed, flat.method(bestName).speed())
	if r.Machine.Cores > 0 {
		set(&p.coreSpeed, flat.method(ceilingName).speed()/float64(r.Machine.Cores))
		if flat.Verify != nil { // both sides at once
			set(&p.digestSpeed, 2*median(flat.Verify.Full)/float64(r.Machine.Cores))
		}
	}
	if auto := flat.method(esmigPrefix + "auto"); len(auto.Runs) > 0 {
		set(&p.memory, float64(auto.Peak))
		set(&p.stateIndex, float64(auto.State))
	}
	return p
}

// forecast is what the model says.
type forecast struct {
	ranges       float64
	hours        float64
	limits       []limit // of speed, the lowest first
	requests     float64 // per second
	journal      float64 // bytes written in all
	journalPeak  float64 // bytes of the file at its longest
	state        float64 // bytes of the file at the end
	stateWritten float64 // bytes written in all
	memory       float64 // bytes
	storedTasks  float64 // results that the destination keeps in .tasks
	verifyHours  float64
	loads        []load // the fullest first
}

// limit is a speed in documents per second that cannot be passed.
type limit struct {
	what  string
	speed float64
}

// load is how much of something that breaks when it is full is used.
type load struct {
	what       string
	used, most float64
}

func (l load) share() float64 { return l.used / l.most }

func (p params) forecast() forecast {
	var f forecast
	perIndex := min(max(p.documents/p.indices/p.docsPerRange, p.fewest, 2*p.concurrency), p.most)
	f.ranges = math.Ceil(perIndex) * p.indices
	tasks := min(p.parallelism, p.indices) * min(p.concurrency, perIndex)
	size := p.bytes/p.documents + p.perDocument
	entrances, where := 1.0, "network of the one node on which all tasks run"
	if p.spread {
		entrances, where = p.nodes, "network of the nodes"
	}
	f.limits = []limit{
		{"tasks that run at once (parallelism × concurrency)", tasks * p.taskSpeed},
		{where, entrances * p.network / size},
		{"cores of the destination", p.nodes * p.cores * p.coreSpeed},
		{"disks of the destination", p.nodes * p.disk / (p.bytes / p.documents)},
	}
	slices.SortFunc(f.limits, func(a, b limit) int { return cmp.Compare(a.speed, b.speed) })
	seconds := p.documents / f.limits[0].speed
	f.hours = seconds / 3600

	// Per range: to start it, the looks while the pauses grow, then one each
	// poll for every task.
	rangesSecond := f.ranges / seconds
	f.requests = rangesSecond*(1+p.ramp) + tasks/p.poll
	live := min(p.parallelism, p.indices) * math.Ceil(perIndex)
	f.journal, f.journalPeak = f.ranges*p.journalRange, live*p.journalRange
	f.state = p.indices * p.stateIndex
	// The state is written whole, before and after each of two steps per index,
	// and grows from nothing.
	writes := 4 * p.indices
	f.stateWritten = writes * f.state / 2
	// The state is there as it was read, as it is and as it is written.
	f.memory = p.memory + 3*f.state + live*1000
	f.storedTasks = f.ranges
	f.verifyHours = max(p.documents/(p.nodes*p.cores*p.digestSpeed), p.bytes/(p.nodes*5*p.disk)) / 3600

	f.loads = []load{
		{"search contexts on a node of the source", tasks * p.shards / p.nodes, p.scrolls},
		{"heap of the nodes on which tasks run (four batches each)", tasks / entrances * 4 * p.batch, p.heap},
		{"records that become durable in the journal, per second", 3 * rangesSecond, p.journalSecond},
		{"writing the whole state, bytes per second", f.stateWritten / seconds, 100e6},
		{"memory of esmig, bytes", f.memory, memoryGoal},
		{"requests per second to one node", f.requests, 2000},
	}
	slices.SortFunc(f.loads, func(a, b load) int { return cmp.Compare(b.share(), a.share()) })
	return f
}
