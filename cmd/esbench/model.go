package main

import (
	"cmp"
	"slices"
	"time"

	"github.com/esmig/esmig/providers/migration"
)

// params describe a migration that is too large to try, on clusters that
// nobody has to hand. How esmig cuts, looks and records is not among them: that
// comes from providers/migration.
type params struct {
	documents, bytes float64
	indices, nodes   float64
	shards           float64 // of an index
	// Of a node, and of the machine of esmig: assumed.
	cores   float64
	network float64 // bytes per second each way
	disk    float64 // bytes of documents per second, merges and translog included
	heap    float64 // bytes that copies may take of it
	scrolls float64 // search contexts that it allows

	parallelism float64 // of esmig
	oneNode     bool    // tasks are started on one node: a proxy leads to no other
	listed      float64 // bytes of a task in a list of tasks
	hit         float64 // bytes of a digest in an answer, with the id
	parse       float64 // bytes of lists that a core of esmig takes apart in a second

	// As measured on the lab.
	taskSpeed     float64 // documents per second of one _reindex
	coreSpeed     float64 // documents per second that a core of the destination indexes
	digestSpeed   float64 // documents per second that a core digests
	digestClient  float64 // seconds of a core of esmig for the digests of a document, both sides
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
		parallelism: 10, listed: 1000, hit: 130, parse: 100e6,
		taskSpeed: 45_000, coreSpeed: 40_000, digestSpeed: 200_000, digestClient: 1.7e-6,
		stateIndex: 3000, memory: 40e6, perDocument: 100, journalSecond: 200,
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
	if flat.Verify != nil && flat.Documents > 0 {
		set(&p.digestClient, medianWork(flat.Verify.FullWork).Client/float64(flat.Documents))
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
	verifyLimits []limit // of its speed, the lowest first
	together     float64 // ranges of a migration that are copied at the same time
	loads        []load  // the fullest first
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
	together := migration.Together(int(p.nodes * p.cores))
	perIndex := float64(migration.RangesOf(int64(p.documents/p.indices), int64(p.bytes/p.indices), together))
	f.together = min(float64(together), perIndex)
	f.ranges = perIndex * p.indices
	migrations := min(p.parallelism, p.indices)
	tasks := migrations * f.together
	size := p.bytes/p.documents + p.perDocument
	entrances, where := p.nodes, "network of the nodes"
	if p.oneNode {
		entrances, where = 1, "network of the one node on which all tasks run"
	}
	f.limits = lowestFirst(
		limit{"tasks that run at once (parallelism × concurrency)", tasks * p.taskSpeed},
		limit{where, entrances * p.network / size},
		limit{"cores of the destination", p.nodes * p.cores * p.coreSpeed},
		limit{"disks of the destination", p.nodes * p.disk / (p.bytes / p.documents)},
	)
	seconds := p.documents / f.limits[0].speed
	f.hours = seconds / 3600

	// A migration lists the tasks of the cluster: all of them, not its own alone.
	// Of a range's own requests there are one that starts it and one that asks for
	// its result; and now and then each migration flushes, counts and looks at
	// the primary terms.
	rangesSecond := f.ranges / seconds
	soonest := time.Duration(migrations / rangesSecond * float64(time.Second))
	lists := migrations / migration.LookEvery(int(f.together), soonest).Seconds()
	listed := lists * tasks * p.listed
	flushes := migrations / migration.FlushEvery.Seconds()
	f.requests = lists + 2*rangesSecond + 3*flushes
	live := migrations * perIndex
	f.journal, f.journalPeak = f.ranges*migration.JournalRange, live*migration.JournalRange
	f.state = p.indices * p.stateIndex
	// The state is written whole, before and after each of two steps per index,
	// and grows from nothing.
	writes := 4 * p.indices
	f.stateWritten = writes * f.state / 2
	// The state is there as it was read, as it is and as it is written; a list of
	// tasks as it came and taken apart.
	f.memory = p.memory + 3*f.state + live*1000 + migrations*tasks*p.listed*2
	f.storedTasks = f.ranges

	f.verifyLimits = lowestFirst(
		limit{"cores of both clusters", p.nodes * p.cores * p.digestSpeed},
		limit{"disks of both clusters", p.nodes * 5 * p.disk / (p.bytes / p.documents)},
	)
	if p.documents/p.indices <= migration.MostFetched { // else the clusters add up
		f.verifyLimits = lowestFirst(append(f.verifyLimits,
			limit{"network of the machine of esmig", p.network / (2 * p.hit)},
			limit{"processor of esmig", p.cores / p.digestClient})...)
	}
	f.verifyHours = p.documents / f.verifyLimits[0].speed / 3600

	f.loads = []load{
		{"search contexts on a node of the source", tasks * p.shards / p.nodes, p.scrolls},
		{heapLoad, tasks / entrances * 4 * migration.BatchBytes, p.heap},
		{"records that become durable in the journal, per second", 3*rangesSecond + flushes, p.journalSecond},
		{"writing the whole state, bytes per second", f.stateWritten / seconds, 100e6},
		{"memory of esmig, bytes", f.memory, memoryGoal},
		{"requests per second to one node", f.requests / entrances, 2000},
		{"network of esmig's machine, for lists of tasks", listed, p.network},
		{"processor of esmig, for lists of tasks", listed / p.parse, p.cores},
	}
	slices.SortFunc(f.loads, func(a, b load) int { return cmp.Compare(b.share(), a.share()) })
	return f
}

const heapLoad = "heap of the nodes on which tasks run (four batches each)"

func lowestFirst(all ...limit) []limit {
	slices.SortFunc(all, func(a, b limit) int { return cmp.Compare(a.speed, b.speed) })
	return all
}
