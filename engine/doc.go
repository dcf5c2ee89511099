// Package engine compares what the files say with the state and the live
// clusters, makes a plan, and carries the plan's steps out in order.
package engine
