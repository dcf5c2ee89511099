package elasticsearch

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
)

// phaseActions are the actions that each phase may hold (the server's
// TimeseriesLifecycleType).
var phaseActions = map[string][]string{
	"hot":    {"set_priority", "unfollow", "rollover", "readonly", "downsample", "shrink", "forcemerge", "searchable_snapshot"},
	"warm":   {"set_priority", "unfollow", "readonly", "downsample", "allocate", "migrate", "shrink", "forcemerge"},
	"cold":   {"set_priority", "unfollow", "readonly", "downsample", "searchable_snapshot", "allocate", "migrate", "freeze"},
	"frozen": {"unfollow", "searchable_snapshot"},
	"delete": {"wait_for_snapshot", "delete"},
}

// phaseOrder is the order in which an index goes through its phases.
var phaseOrder = []string{"hot", "warm", "cold", "frozen", "delete"}

// needRollover are the actions that the hot phase only has after a rollover.
var needRollover = []string{"readonly", "shrink", "forcemerge", "downsample", "searchable_snapshot"}

// notAfterSnapshot cannot be done once an index is a searchable snapshot.
var notAfterSnapshot = []string{"forcemerge", "freeze", "shrink", "downsample"}

func policyError(path, format string, args ...any) error {
	return providers.NewError("bad_policy", "policy", "Invalid lifecycle policy", path+": "+fmt.Sprintf(format, args...))
}

// checkPolicy finds what every server refuses, all at once.
func checkPolicy(policy map[string]any) []error {
	phases, ok := policy["phases"].(map[string]any)
	if !ok {
		return []error{policyError("policy", "it needs an object phases.")}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(phases)) {
		if _, known := phaseActions[name]; !known {
			errs = append(errs, policyError("phases."+name, "there is no such phase; the phases are %s.", strings.Join(phaseOrder, ", ")))
		}
	}
	repository, snapshotIn := "", ""
	for _, name := range phaseOrder {
		v, there := phases[name]
		if !there {
			continue
		}
		path := "phases." + name
		phase, ok := v.(map[string]any)
		if !ok {
			errs = append(errs, policyError(path, "it must be an object."))
			continue
		}
		actions := object(phase["actions"])
		errs = append(errs, checkAge(path, phase)...)
		errs = append(errs, checkActions(path, name, actions)...)
		if snapshotIn != "" {
			for _, a := range notAfterSnapshot {
				if _, ok := actions[a]; ok {
					errs = append(errs, policyError(path+".actions."+a, "it cannot follow the searchable_snapshot of the %s phase.", snapshotIn))
				}
			}
		}
		if s, ok := actions["searchable_snapshot"].(map[string]any); ok {
			r := text(s["snapshot_repository"])
			switch {
			case r == "":
				errs = append(errs, policyError(path+".actions.searchable_snapshot", "it needs snapshot_repository."))
			case repository != "" && r != repository:
				errs = append(errs, policyError(path+".actions.searchable_snapshot", "all searchable snapshots of a policy use one repository, but %q and %q are named.", repository, r))
			}
			repository, snapshotIn = r, name
		}
	}
	return errs
}

func checkAge(path string, phase map[string]any) []error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(phase)) {
		if key != "min_age" && key != "actions" {
			errs = append(errs, policyError(path+"."+key, "a phase holds min_age and actions, nothing else."))
		}
	}
	if age := phase["min_age"]; age != nil && !duration(text(age)) {
		errs = append(errs, policyError(path+".min_age", "%q is no duration; write a whole number and one of d, h, m, s, ms, micros, nanos, such as \"30d\".", text(age)))
	}
	return errs
}

// duration: "30d", "0ms", "0", "-1".
func duration(s string) bool {
	if s == "0" || s == "-1" {
		return true
	}
	number := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz")
	return number != "" && strings.Trim(number, "0123456789") == "" &&
		slices.Contains([]string{"d", "h", "m", "s", "ms", "micros", "nanos"}, s[len(number):])
}

func checkActions(path, phase string, actions map[string]any) []error {
	var errs []error
	for _, a := range slices.Sorted(maps.Keys(actions)) {
		at := path + ".actions." + a
		if !slices.Contains(phaseActions[phase], a) {
			errs = append(errs, policyError(at, "the %s phase has no such action; it has %s.", phase, strings.Join(phaseActions[phase], ", ")))
			continue
		}
		body, ok := actions[a].(map[string]any)
		if !ok {
			errs = append(errs, policyError(at, "it must be an object, {} where there is nothing to say."))
			continue
		}
		if _, rolls := actions["rollover"]; phase == "hot" && !rolls && slices.Contains(needRollover, a) {
			errs = append(errs, policyError(at, "in the hot phase it needs a rollover action beside it."))
		}
		switch a {
		case "rollover":
			if !slices.ContainsFunc(slices.Collect(maps.Keys(body)), func(k string) bool { return strings.HasPrefix(k, "max_") }) {
				errs = append(errs, policyError(at, "it needs at least one condition max_…, such as max_age = \"7d\"."))
			}
		case "shrink":
			if body["number_of_shards"] == nil && body["max_primary_shard_size"] == nil {
				errs = append(errs, policyError(at, "it needs number_of_shards or max_primary_shard_size."))
			}
		case "allocate":
			if body["number_of_replicas"] == nil && body["total_shards_per_node"] == nil && !hasRules(body) {
				errs = append(errs, policyError(at, "it needs number_of_replicas, or attributes in include, exclude or require."))
			}
			if m, ok := actions["migrate"].(map[string]any); ok && text(m["enabled"]) != "false" && hasRules(body) {
				errs = append(errs, policyError(at, "its attributes and migrate exclude each other; set migrate = { enabled = false }."))
			}
		}
	}
	if _, ok := actions["searchable_snapshot"]; phase == "frozen" && !ok {
		errs = append(errs, policyError(path, "the frozen phase needs a searchable_snapshot action."))
	}
	return errs
}

func hasRules(allocate map[string]any) bool {
	for _, k := range []string{"include", "exclude", "require"} {
		if len(object(allocate[k])) > 0 {
			return true
		}
	}
	return false
}
