package elasticsearch

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// converted is a policy as a data stream lifecycle.
type converted struct {
	lifecycle map[string]any
	retention string
	rolls     bool
	parts     []string // each phase and action, and what becomes of it
}

// without a counterpart, and what that means for the data.
var noCounterpart = map[string]string{
	"set_priority":        "no counterpart: there is no order of recovery to set. Nothing changes for the data",
	"readonly":            "no counterpart: older backing indices are not blocked for writing. A data stream appends to its newest one anyway",
	"shrink":              "no counterpart: Serverless decides about shards. Nothing changes for the data",
	"forcemerge":          "no counterpart: Serverless merges by itself. Nothing changes for the data",
	"allocate":            "no counterpart: there are no nodes and replicas to choose. Nothing changes for the data",
	"migrate":             "no counterpart: there are no data tiers, all data is kept in one store. Nothing changes for the data but its cost",
	"searchable_snapshot": "no counterpart: there are no snapshot repositories, and the data stays in the project's store, searched like the newest",
	"freeze":              "no counterpart: nothing is frozen. Nothing changes for the data",
	"unfollow":            "no counterpart: there is no cross-cluster replication. What follows another cluster ends with the move",
	"wait_for_snapshot":   "no counterpart: deletion waits for no snapshot. Data goes after its retention, saved or not",
}

// convert makes a data stream lifecycle of a policy. Both count from the
// rollover of a backing index.
func convert(p *ilmPolicy) converted {
	c := converted{lifecycle: map[string]any{}}
	phases := object(object(p.body["policy"])["phases"])
	tell := func(phase, action, text string) {
		c.parts = append(c.parts, "- "+dots(phase, action)+": "+text+".")
	}
	var rounds []any
	last, lastAfter := 0.0, -1.0
	deletes := false
	for _, phase := range phaseOrder {
		v, there := phases[phase]
		if !there {
			continue
		}
		age := text(object(v)["min_age"])
		if object(v)["min_age"] == nil {
			age = "0ms"
		}
		actions := object(object(v)["actions"])
		if len(actions) == 0 {
			tell(phase, "", "has no action. Nothing changes for the data")
		}
		for _, action := range slices.Sorted(maps.Keys(actions)) {
			body := object(actions[action])
			switch action {
			case "rollover":
				c.rolls = true
				tell(phase, action, "the server rolls over by conditions of its own, not by "+conditions(body))
			case "delete":
				deletes = true
				c.retention = age
				c.lifecycle["data_retention"] = age
				from := "counted from the rollover as before"
				if !c.rolls {
					from = "counted from the rollover, which there always is, and no longer from when the index was made"
				}
				if text(body["delete_searchable_snapshot"]) == "false" {
					from += ". No snapshot stays behind"
				}
				tell(phase, action, fmt.Sprintf("data_retention = %q, %s", age, from))
			case "downsample":
				interval := text(body["fixed_interval"])
				every, okE := seconds(interval)
				after, okA := seconds(age)
				why := ""
				switch {
				case !okE || !okA:
					why = "its times cannot be read"
				case every < 300:
					why = "a round has at least five minutes"
				case last > 0 && (every <= last || math.Mod(every, last) != 0):
					why = "each round is a multiple of the one before"
				case after <= lastAfter:
					why = "each round is later than the one before"
				}
				if why != "" {
					tell(phase, action, "no counterpart, because "+why+": the data stays as fine as it was before")
					continue
				}
				last, lastAfter = every, after
				rounds = append(rounds, map[string]any{"after": age, "fixed_interval": interval})
				if method := text(body["sampling_method"]); body["sampling_method"] != nil {
					c.lifecycle["downsampling_method"] = method // one for all rounds
				}
				tell(phase, action, fmt.Sprintf("downsampling after %s to %s", age, interval))
			default:
				tell(phase, action, cmp.Or(noCounterpart[action], "no counterpart"))
			}
		}
	}
	if len(rounds) > 0 {
		c.lifecycle["downsampling"] = rounds
	}
	if !deletes {
		c.parts = append(c.parts, "- no delete: the data is kept for ever, unless the project has a maximum retention.")
	}
	if len(c.lifecycle) == 0 {
		c.lifecycle["enabled"] = true
	}
	return c
}

// conditions lists what a rollover waits for.
func conditions(rollover map[string]any) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(rollover)) {
		out = append(out, k+" "+text(rollover[k]))
	}
	return strings.Join(out, ", ")
}
