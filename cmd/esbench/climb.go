package main

import "slices"

// nearBest is the part of the best speed from which on a setting gets a second go.
const nearBest = 0.9

// climb looks for the best setting: it tries those of a grid, what lies beside
// the best as long as that helps, so that no grid ends too early, and what came
// near the best a second time. The better of the two goes counts. try gives the
// documents per second, 0 for what does not work; without any that works the
// result is the zero setting.
func climb[S comparable](grid []S, beside func(S) []S, try func(S) float64) (best S) {
	speed, goes := map[S]float64{}, map[S]int{}
	var order []S
	once := func(s S) {
		if goes[s]++; goes[s] == 1 {
			order = append(order, s)
		}
		speed[s] = max(speed[s], try(s))
	}
	for _, s := range grid {
		once(s)
	}
	for again := true; again; {
		again = false
		for _, s := range order {
			if speed[s] > speed[best] {
				best = s
			}
		}
		if speed[best] == 0 {
			return best
		}
		for _, s := range beside(best) {
			if goes[s] == 0 {
				once(s)
				again = true
			}
		}
		if again {
			continue
		}
		for _, s := range slices.Backward(slices.Clone(order)) { // backward, so that nobody always comes later
			if goes[s] == 1 && speed[s] >= nearBest*speed[best] {
				once(s)
				again = true
			}
		}
	}
	return best
}

// The ends of what is tried: a server gives no more documents at once, and
// refuses to take, or to be given, much more bytes at once.
const (
	mostBatch      = 10_000
	mostBatchBytes = 80e6
	mostAtOnce     = 16
	mostBulk       = 16 << 20
	leastBulk      = 256 << 10
	// ceilingTrial are the bytes of a trial of the ceiling at the least: eight
	// workers with 4 MB each can be tried with them.
	ceilingTrial = 70e6
)

// besideBatch is half and twice a batch of documents of that many bytes.
func besideBatch(batch int, bytes float64) []int {
	return []int{max(1, batch/2), max(1, min(2*batch, mostBatch, int(mostBatchBytes/bytes)))}
}

// enough: every worker gets two requests of so many bytes at least, or it was no
// trial of that many at a time.
func (c ceiling) enough(bytes float64) bool { return 2*float64(c.workers*c.size) <= bytes }

// beside is half and twice of each, as far as that can be tried on so many bytes.
func (c ceiling) beside(bytes float64) []ceiling {
	return slices.DeleteFunc([]ceiling{
		{max(1, c.workers/2), c.size}, {min(2*c.workers, mostAtOnce), c.size},
		{c.workers, max(leastBulk, c.size/2)}, {c.workers, min(2*c.size, mostBulk)},
	}, func(c ceiling) bool { return !c.enough(bytes) })
}

// beside is half and twice of each, for documents of that many bytes, as far as
// part of them keep all writers busy.
func (d dumping) beside(bytes float64, part int) []dumping {
	limits := besideBatch(d.limit, bytes)
	return slices.DeleteFunc([]dumping{
		{limits[0], d.writers}, {limits[1], d.writers},
		{d.limit, max(1, d.writers/2)}, {d.limit, min(2*d.writers, mostAtOnce)},
	}, func(d dumping) bool { return d.limit*d.writers > part })
}
