package elasticsearch

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/esmig/esmig/providers"
)

// Serverless has no lifecycle policies. What a policy did for a data stream its
// lifecycle does, in the templates of the data streams that named the policy;
// for a plain index nothing does.

const (
	policySetting = "index.lifecycle.name"
	preferSetting = "index.lifecycle.prefer_ilm" // false: a lifecycle goes before the policy
)

// reference is where settings name a policy.
type reference struct {
	policy string   // empty: there is none, whatever the templates below say
	path   []string // keys of the settings
}

// policyOf finds the policy that settings name.
func policyOf(settings any) (reference, bool) {
	for _, s := range eachSetting(object(settings)) {
		if s.name == policySetting {
			return reference{text(s.value), s.path}, true
		}
	}
	return reference{}, false
}

// groups are of the policies that are there.
func groups(policies ...string) []string {
	var out []string
	for _, p := range policies {
		if g := "ilm_policy " + p; p != "" && !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

// overruled are the policies that component templates name, in their order:
// what names another one after them keeps them away, so it may not go alone.
func overruled(peers []providers.Resource, components []string) []string {
	var out []string
	for _, name := range components {
		if c, ok := find[*componentTemplate](peers, name); ok {
			ref, _ := policyOf(c.settings())
			out = append(out, ref.policy)
		}
	}
	return out
}

func find[T providers.Resource](peers []providers.Resource, id string) (T, bool) {
	for _, p := range peers {
		if t, ok := p.(T); ok && t.ID() == id {
			return t, true
		}
	}
	var none T
	return none, false
}

// noPolicies are the words about a reference to a policy.
const noPolicies = "Serverless has no lifecycle policies; it answers: Settings [index.lifecycle.name] are not available when running in serverless mode. "

// undeclared is the loss where a lifecycle stands beside a policy that is not
// declared.
func undeclared(policy string) string {
	return fmt.Sprintf("The policy %s is not declared here, so nobody has compared it with the lifecycle: where it is and index.lifecycle.prefer_ilm is not false, it held, and from now on the lifecycle does.", policy)
}

// noPolicy is the lack of what says that there is no policy.
func noPolicy(l *providers.Lack, over []string, from ...providers.Origin) *providers.Lack {
	l.Summary, l.Groups = "Not a setting of Serverless", groups(over...)
	l.Fixes = []providers.Fix{{Do: providers.Remove, Arg: l.Arg, Path: l.Path, From: from}}
	l.Detail = noPolicies + "Leave it out: there is no policy that it keeps away."
	return l
}

// plainReference is the lack of an index, or of a template for plain indices,
// that names a policy.
func plainReference(peers []providers.Resource, ref reference, l *providers.Lack, who string, from ...providers.Origin) *providers.Lack {
	l.Summary = "Not a setting of Serverless"
	l.Groups = groups(ref.policy)
	l.Fixes = []providers.Fix{{Do: providers.Remove, Arg: l.Arg, Path: l.Path, From: from}}
	l.Loss = fmt.Sprintf("Nothing takes the place of the policy %s for %s: only data streams have a lifecycle on Serverless.", ref.policy, who)
	if p, ok := find[*ilmPolicy](peers, ref.policy); ok {
		c := convert(p)
		if c.retention != "" {
			l.Loss += fmt.Sprintf(" What the policy deleted after %s stays until somebody deletes it.", c.retention)
		}
		if c.rolls {
			l.Loss += " It does not roll over any more, and grows."
		}
	}
	l.Detail = noPolicies + "Leave it out, or make it a data stream with a lifecycle. " + l.Loss
	return l
}

// Lacks implements providers.Selective.
func (t *componentTemplate) Lacks(f providers.Flavor, peers []providers.Resource) []*providers.Lack {
	if f != providers.Serverless {
		return nil
	}
	out := t.lacks(f)
	ref, ok := policyOf(t.settings())
	if !ok {
		return out
	}
	at := lackAt("template", append([]string{"settings"}, ref.path...)...)
	var streams, plain, over []string
	from, composed := []providers.Origin{t.origin("template", at.Path)}, false
	for _, p := range peers {
		x, ok := p.(*indexTemplate)
		if !ok {
			continue
		}
		i := slices.Index(x.ComposedOf(), t.id)
		if i < 0 {
			from = append(from, x.origin("composed_of", nil))
			continue
		}
		composed = true
		over = append(over, overruled(peers, x.ComposedOf()[:i])...)
		g := x.governed(peers)
		from = append(from, g.from...)
		switch {
		case g.by != t.id || !g.there:
		case x.forStreams():
			streams = append(streams, x.id)
		default:
			plain = append(plain, x.id)
		}
	}
	if ref.policy == "" {
		l := noPolicy(at, over, from...)
		l.Fixes[0].Shared = true
		return append(out, l)
	}
	at.Summary = "Not a setting of Serverless"
	at.Fixes = []providers.Fix{{Do: providers.Remove, Arg: at.Arg, Path: at.Path, From: from}}
	switch {
	case len(plain) > 0:
		plainReference(peers, ref, at, "the plain indices of "+strings.Join(plain, ", "), from...)
	case !composed:
		plainReference(peers, ref, at, "indices of its own templates elsewhere", from...)
	case len(streams) == 0:
		at.Detail = noPolicies + "Nothing that is composed of it here gets the policy from it: leave it out."
	default:
		at.Detail = noPolicies + fmt.Sprintf("Leave it out; the lifecycle of the data streams stands in %s.", strings.Join(streams, ", "))
		if _, known := find[*ilmPolicy](peers, ref.policy); !known {
			at.Loss = undeclared(ref.policy)
			at.Detail += " " + at.Loss
		}
	}
	at.Groups, at.Fixes[0].Shared = groups(append([]string{ref.policy}, over...)...), true
	return append(out, at)
}

// Lacks implements providers.Selective.
func (t *indexTemplate) Lacks(f providers.Flavor, peers []providers.Resource) []*providers.Lack {
	if f != providers.Serverless {
		return nil
	}
	out := t.lacks(f)
	own, isOwn := policyOf(t.settings())
	at, over := lackAt("template", append([]string{"settings"}, own.path...)...), overruled(peers, t.ComposedOf())
	g := t.governed(peers)
	if isOwn && own.policy == "" {
		return append(out, noPolicy(at, over, g.from...))
	}
	if !t.forStreams() {
		if isOwn {
			plainReference(peers, own, at, "the plain indices of "+t.id, g.from...)
			at.Groups = groups(append([]string{own.policy}, over...)...)
			out = append(out, at)
		}
		return out
	}
	if !g.there {
		return out
	}
	l := lackAt("composed_of")
	l.Summary, l.Groups = "Data stream under a policy", groups(g.ref.policy)
	if isOwn {
		l = at
		l.Summary, l.Groups = "Not a setting of Serverless", groups(append([]string{own.policy}, over...)...)
		l.Fixes = append(l.Fixes, providers.Fix{Do: providers.Remove, Arg: l.Arg, Path: l.Path, From: g.from})
	}
	p, known := find[*ilmPolicy](peers, g.ref.policy)
	switch {
	case g.holds(p):
		if !isOwn {
			return out // the component template says it
		}
		l.Detail = noPolicies + "Leave it out: the template has a lifecycle already."
	case g.lifecycle != nil && !known:
		if !isOwn {
			return out
		}
		l.Loss = undeclared(g.ref.policy)
		l.Detail = noPolicies + "Leave it out: the template has a lifecycle already. " + l.Loss
	case g.lifecycle != nil:
		l.Stuck = "the policy holds and not the lifecycle, and they are not the same; write as lifecycle what shall hold, and leave the policy out"
		l.Detail = noPolicies + fmt.Sprintf("The policy %s stands for %s, and the template's lifecycle is %s. The policy goes before it unless index.lifecycle.prefer_ilm is false. Write as lifecycle what shall hold, and leave the policy out.",
			g.ref.policy, providers.HCL(convert(p).lifecycle), providers.HCL(g.lifecycle))
	case !known:
		l.Stuck = "the policy is not declared here, so its retention is not known; declare it with a block ilm_policy, or write the lifecycle yourself"
		l.Detail = noPolicies + fmt.Sprintf("Write the retention of %s into the template, with DAYS for its days: lifecycle = { data_retention = \"DAYSd\" }. The policy is not declared here, so it is not known.", g.ref.policy)
	default:
		c := convert(p)
		l.Detail = noPolicies
		if !isOwn {
			l.Detail = fmt.Sprintf("The policy %s reaches the data streams of this template through a component template. Serverless has no lifecycle policies. ", g.ref.policy)
		}
		l.Detail += "Write into template:\n\n    lifecycle = " + providers.HCL(c.lifecycle)
		l.Fixes = append(l.Fixes, providers.Fix{Do: providers.Add, Arg: "template", Path: []string{"lifecycle"},
			Value: c.lifecycle, From: g.from})
	}
	return append(out, l)
}

// governed is what says how long the data of an index template stays.
type governed struct {
	ref     reference
	by      string // the component template that names it; empty: the template itself
	there   bool   // there is a policy
	prefers bool   // it goes before the lifecycle
	// lifecycle is the one of the data streams, as the server puts it together;
	// nil: none.
	lifecycle any
	from      []providers.Origin // of all this
}

func (r *rest) origin(arg string, path []string) providers.Origin {
	return providers.Origin{Addr: r.addr, Arg: arg, Path: path}
}

// governed looks at the template and what it is composed of; the last one wins.
func (t *indexTemplate) governed(peers []providers.Resource) governed {
	g := governed{prefers: true, from: []providers.Origin{t.origin("data_stream", nil), t.origin("composed_of", nil)}}
	take := func(by string, x *template) {
		for _, s := range eachSetting(object(x.settings())) {
			switch s.name {
			case policySetting:
				g.ref, g.by, g.there = reference{text(s.value), s.path}, by, text(s.value) != ""
			case preferSetting:
				g.prefers = text(s.value) != "false"
			default:
				continue
			}
			g.from = append(g.from, x.origin("template", append([]string{"settings"}, s.path...)))
		}
		if l, ok := object(x.body["template"])["lifecycle"]; ok {
			g.lifecycle = overlay(g.lifecycle, l)
			g.from = append(g.from, x.origin("template", []string{"lifecycle"}))
		}
	}
	for _, name := range t.ComposedOf() {
		if c, ok := find[*componentTemplate](peers, name); ok {
			take(name, &c.template)
		}
	}
	take("", &t.template)
	if p, ok := find[*ilmPolicy](peers, g.ref.policy); ok && t.forStreams() && (g.prefers || g.lifecycle == nil) {
		g.from = append(g.from, p.origin("policy", nil))
	}
	return g
}

// holds says whether the lifecycle says what holds anyway: because it goes
// before the policy, or because the policy says the same.
func (g governed) holds(p *ilmPolicy) bool {
	if g.lifecycle == nil {
		return false
	}
	disabled := text(object(g.lifecycle)["enabled"]) == "false"
	if !g.prefers && !disabled {
		return true
	}
	plain := func(v any) any {
		m := object(clone(v))
		maps.DeleteFunc(m, func(k string, e any) bool { return e == nil || k == "enabled" && !disabled })
		return m
	}
	return p != nil && same(plain(g.lifecycle), plain(convert(p).lifecycle))
}

// forStreams: names that fit become data streams.
func (t *indexTemplate) forStreams() bool { return t.body["data_stream"] != nil }

// Lacks implements providers.Selective.
func (p *ilmPolicy) Lacks(f providers.Flavor, peers []providers.Resource) []*providers.Lack {
	out := p.rest.Lacks(f, peers)
	for _, l := range out {
		c := convert(p)
		users, streams, disputed := p.users(peers)
		becomes := "and nothing takes its place, because no data stream here is under it"
		switch {
		case disputed:
			becomes = "and what takes its place is yours to decide, because data streams under it have another lifecycle already"
		case streams:
			becomes = "and for data streams becomes " + providers.HCL(c.lifecycle)
		}
		named := "No block that was looked at names it."
		if len(users) > 0 {
			named = "It is named by " + strings.Join(users, ", ") + "."
		}
		l.Groups = groups(p.id)
		l.Fixes = []providers.Fix{{Do: providers.Remove, From: references(peers)}}
		l.Loss = fmt.Sprintf("The policy %s goes, %s. %s What becomes of each part:\n\n%s", p.id, becomes, named, strings.Join(c.parts, "\n"))
		l.Detail = strings.TrimSuffix(l.Detail, "Remove the block, or give it another cluster.") +
			"Write a lifecycle into the templates of the data streams instead, and remove the block. " + l.Loss
	}
	return out
}

// references are all places that name a policy. Where a variable does, it could
// name any.
func references(peers []providers.Resource) []providers.Origin {
	var out []providers.Origin
	of := func(r *rest, arg string, base []string, settings any) {
		if ref, ok := policyOf(settings); ok {
			out = append(out, r.origin(arg, append(base, ref.path...)))
		}
	}
	for _, r := range peers {
		switch r := r.(type) {
		case *index:
			of(&r.rest, "settings", nil, r.body["settings"])
		case *componentTemplate:
			of(&r.rest, "template", []string{"settings"}, r.settings())
		case *indexTemplate:
			of(&r.rest, "template", []string{"settings"}, r.settings())
		}
	}
	return out
}

// users are the names of what names the policy, whether data streams get what
// it stands for, and whether it holds for some whose lifecycle is another one.
func (p *ilmPolicy) users(peers []providers.Resource) (names []string, streams, disputed bool) {
	uses := func(settings any) bool {
		ref, ok := policyOf(settings)
		return ok && ref.policy == p.id
	}
	for _, r := range peers {
		switch r := r.(type) {
		case *index:
			if uses(r.body["settings"]) {
				names = append(names, r.id)
			}
		case *componentTemplate:
			if uses(r.settings()) {
				names = append(names, r.id)
			}
		case *indexTemplate:
			if uses(r.settings()) {
				names = append(names, r.id)
			}
			g := r.governed(peers)
			if r.forStreams() && g.there && g.ref.policy == p.id {
				streams = streams || g.lifecycle == nil || g.prefers && g.holds(p)
				disputed = disputed || g.lifecycle != nil && !g.holds(p)
			}
		}
	}
	slices.Sort(names)
	return names, streams, disputed
}
