package elasticsearch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
)

// Settings that change without anybody's doing; a name that ends in a dot
// stands for all below it.
var (
	// setByServer: allocation, resizing, closing, the disk's flood stage.
	setByServer = []string{
		"index.routing.allocation.include._tier_preference", "index.routing.allocation.initial_recovery.", "index.resize.",
		"index.shrink.", "index.verified_before_close", "index.verified_read_only", "index.lifecycle.indexing_complete",
		"index.blocks.read_only_allow_delete", "index.time_series.end_time",
	}
	// setByPolicy: what the actions of a lifecycle policy change, measured on
	// 6.8.23 (readonly, set_priority, allocate, shrink, forcemerge, migrate).
	setByPolicy = []string{
		"index.number_of_replicas", "index.blocks.write", "index.routing.allocation.", "index.priority", "index.codec",
	}
)

func listed(setting string, list []string) bool {
	return slices.ContainsFunc(list, func(s string) bool {
		return s == setting || strings.HasSuffix(s, ".") && strings.HasPrefix(setting, s)
	})
}

// Settle implements providers.Volatile.
func (x *index) Settle(ctx context.Context, last, now providers.JSON) (providers.JSON, []string, error) {
	l, n := decodeObject(last), decodeObject(now)
	var lines []string

	mappings, added := addedFields(object(l["mappings"]), object(n["mappings"]))
	if added > 0 {
		lines = append(lines, plural(added, "field was", "fields were")+" added by documents")
	}
	set(n, "mappings", mappings)

	before, settings := object(l["settings"]), object(n["settings"])
	settleSettings(before, settings, func(name string) bool { return listed(name, setByServer) })
	if x.body["aliases"] == nil {
		set(n, "aliases", object(l["aliases"]))
	}

	// Is there anything that a policy may have done? Only then ask for one.
	trial := maps.Clone(settings)
	byPolicy := settleSettings(before, trial, func(name string) bool { return listed(name, setByPolicy) })
	aliases, moved := settleWriteIndex(object(l["aliases"]), object(n["aliases"]))
	byPolicy = append(byPolicy, moved...)
	if len(byPolicy) > 0 {
		policy, err := managedBy(ctx, x.cluster, x.id)
		if err != nil {
			return nil, nil, err
		}
		if policy != "" {
			settings = trial
			set(n, "aliases", aliases)
			lines = append(lines, fmt.Sprintf("policy %q changed %s", policy, strings.Join(byPolicy, ", ")))
		}
	}
	set(n, "settings", settings)
	x.seen = encode(n)
	return x.seen, lines, nil
}

// set puts a part, or takes it away when it is empty, as in canonicalIndex.
func set(m map[string]any, name string, part map[string]any) {
	delete(m, name)
	if len(part) > 0 {
		m[name] = part
	}
}

// settleSettings sets those settings in now back to last, and lists them.
func settleSettings(last, now map[string]any, which func(string) bool) []string {
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(overlay(last, now).(map[string]any))) {
		if !which(name) || same(last[name], now[name]) {
			continue
		}
		changed = append(changed, strings.TrimPrefix(name, "index."))
		if v, ok := last[name]; ok {
			now[name] = v
		} else {
			delete(now, name)
		}
	}
	return changed
}

// settleWriteIndex sets is_write_index back, which a rollover moves on.
func settleWriteIndex(last, now map[string]any) (map[string]any, []string) {
	out, changed := maps.Clone(now), []string(nil)
	for _, name := range slices.Sorted(maps.Keys(now)) {
		old, ok := last[name].(map[string]any)
		a := object(now[name])
		if !ok || same(old["is_write_index"], a["is_write_index"]) {
			continue
		}
		a = without(a, "is_write_index")
		if w, ok := old["is_write_index"]; ok {
			a["is_write_index"] = w
		}
		out[name] = a
		changed = append(changed, fmt.Sprintf("is_write_index of %s", name))
	}
	return out, changed
}

// managedBy is the lifecycle policy that manages an index, empty if none does
// or the server knows no policies.
func managedBy(ctx context.Context, c providers.Cluster, name string) (string, error) {
	info, err := c.Info(ctx)
	if err != nil || info.Flavor != providers.Elasticsearch {
		return "", err
	}
	raw, err := c.Do(ctx, providers.Request{Method: http.MethodGet, Path: "/" + url.PathEscape(name) + "/_ilm/explain"})
	if noAPI(err) || errors.Is(err, providers.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, i := range object(decodeObject(raw)["indices"]) {
		if policy := text(object(i)["policy"]); object(i)["managed"] == true && policy != "" {
			return clean(policy, maxName), nil
		}
	}
	return "", nil
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
