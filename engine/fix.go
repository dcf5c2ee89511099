package engine

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/esmig/esmig/config"
	"github.com/esmig/esmig/providers"
)

// Rewriting is how the files can be made to fit a flavour of the server.
type Rewriting struct {
	Files []RewrittenFile
	Fixed []Diagnostic // what is mended
	Notes []Diagnostic // what that means for the data
	Left  []Diagnostic // what only a person can mend, and why
}

// RewrittenFile is one file of a Rewriting.
type RewrittenFile struct {
	Name          string
	Before, After []byte // to be shown: without secrets
	Content       []byte // to be written
	// First is to be written in all files that have it before anything else is
	// written in any: only what is added. So what a policy says is never lost
	// between two files. Nil: nothing.
	First []byte
	// Empty: nothing is left of it, no comment either, so that it is to be
	// removed instead.
	Empty bool
}

// Fix works out a Rewriting; it writes nothing. load reads the files, with
// those of the map in the place of what is on disk. What is rewritten is read
// again, and has to say just what was meant.
func Fix(f providers.Flavor, load loader) (*Rewriting, error) {
	before, err := load(nil)
	if err != nil {
		return nil, err
	}
	now, changed, refused := before, map[string][]byte{}, map[string]string{}
	first := map[string][]byte{}
	var fixed, left []*lacking
	for range 100 { // what is unwrapped is looked at again, and what cannot be is left out
		all, ds := now.survey(f)
		if failed(ds) {
			return nil, several(ds)
		}
		settle(all, refused)
		var doing []*lacking
		for _, l := range all {
			if l.stuck == "" {
				doing = append(doing, l)
			} else if !slices.ContainsFunc(left, l.means) {
				left = append(left, l)
			}
		}
		doing = outermost(doing)
		if len(doing) == 0 {
			break
		}
		edits, next, then, err := now.attempt(doing, changed, load)
		if err == nil {
			err = different(now.Config, then.Config, doing)
		}
		if err != nil {
			if !now.blame(doing, changed, load, refused) {
				return nil, problem("not_rewritten", "Files cannot be rewritten", err.Error())
			}
			continue
		}
		if adds := slices.DeleteFunc(edits, func(ed config.Edit) bool { return ed.Fix.Do != providers.Add }); len(adds) > 0 {
			files, err := now.Config.Rewrite(adds)
			if err != nil {
				return nil, problem("not_rewritten", "Files cannot be rewritten", err.Error())
			}
			maps.Copy(first, files)
		}
		left = slices.DeleteFunc(left, func(l *lacking) bool { return slices.ContainsFunc(doing, l.means) })
		fixed = append(fixed, doing...)
		now, changed = then, next
	}
	return before.rewriting(now, changed, first, fixed, left), nil
}

// loader reads files with some in the place of what is on disk.
type loader = func(map[string][]byte) (*Engine, error)

// attempt makes fixes and reads the files again. An error is that of reading.
func (e *Engine) attempt(doing []*lacking, changed map[string][]byte, load loader) ([]config.Edit, map[string][]byte, *Engine, error) {
	var edits []config.Edit
	for _, l := range doing {
		edits = append(edits, l.edits...)
	}
	files, err := e.Config.Rewrite(edits)
	if err != nil {
		return nil, nil, nil, err
	}
	next := maps.Clone(changed)
	maps.Copy(next, files)
	then, err := load(next)
	return edits, next, then, err
}

// blame finds what cannot be rewritten, each by itself, and writes down why;
// false: everything can.
func (e *Engine) blame(doing []*lacking, changed map[string][]byte, load loader, refused map[string]string) bool {
	found := false
	for _, set := range together(doing) {
		_, _, then, err := e.attempt(set, changed, load)
		if err == nil {
			err = different(e.Config, then.Config, set)
		}
		if err == nil {
			continue
		}
		why := strings.TrimSuffix(err.Error(), ".")
		var d Diagnostic
		if errors.As(err, &d) && d.Source != "" {
			why = fmt.Sprintf("something else needs what would go, in %s: %s", d.File, strings.TrimSpace(d.Source))
		}
		for _, l := range set {
			for _, ed := range l.edits {
				found, refused[ed.ID] = true, why
			}
		}
	}
	return found
}

// means: it is the same thing, also if it stands elsewhere by now.
func (l *lacking) means(m *lacking) bool {
	return l.diag.Addr == m.diag.Addr && l.diag.Summary == m.diag.Summary && l.diag.Detail == m.diag.Detail
}

// outermost keeps what unwraps, if anything does: what is inside waits.
func outermost(all []*lacking) []*lacking {
	unwraps := func(l *lacking) bool {
		return slices.ContainsFunc(l.Fixes, func(f providers.Fix) bool { return f.Do == providers.Unwrap })
	}
	if !slices.ContainsFunc(all, unwraps) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(l *lacking) bool { return !unwraps(l) })
}

// rewriting shows the files without secrets, and sorts what is told.
func (e *Engine) rewriting(after *Engine, changed, first map[string][]byte, fixed, left []*lacking) *Rewriting {
	r := &Rewriting{}
	shown := func(from *Engine, name string) []byte {
		if f := from.Config.Sources[name]; f != nil {
			return []byte(e.secrets.text(string(f.Bytes)))
		}
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(changed)) {
		f := RewrittenFile{Name: name, Before: shown(e, name), After: shown(after, name), Content: changed[name]}
		if f.After == nil {
			f.After = []byte(e.secrets.text(string(f.Content)))
		}
		f.Empty = len(bytes.TrimSpace(f.Content)) == 0
		if b := first[name]; len(changed) > 1 && string(b) != string(f.Content) {
			f.First = b
		}
		r.Files = append(r.Files, f)
	}
	for _, l := range told(fixed) {
		r.Fixed = append(r.Fixed, l.diag)
		if l.Loss != "" {
			d := l.diag
			d.Severity, d.Code, d.Summary, d.Detail = providers.SeverityNote, "loss", "What the rewriting means", e.secrets.text(l.Loss)
			r.Notes = append(r.Notes, d)
		}
	}
	slices.SortStableFunc(left, (*lacking).compare)
	for _, l := range told(left) {
		d := l.diag
		d.Detail += "\n\nIt stays as it is, because " + l.stuck + "."
		r.Left = append(r.Left, d)
	}
	return r
}

// several is diagnostics as one error.
type several []Diagnostic

func (s several) Error() string { return firstError(s).Error() }

// Unwrap lets each be told.
func (s several) Unwrap() []error {
	var out []error
	for _, d := range s {
		out = append(out, d)
	}
	return out
}

func problem(code, summary, detail string) error {
	return Diagnostic{Severity: providers.SeverityError, Code: code, Summary: summary, Detail: detail}
}

// different is an error if a block does not say after a rewriting what it said
// before, with its own fixes made.
func different(before, after *config.Config, doing []*lacking) error {
	other := func(b *config.Block) error {
		return fmt.Errorf("rewriting it would change %s too, which is made from the same local values or files; write out for each what it needs", b.Addr)
	}
	fixes := map[providers.Addr][]providers.Fix{}
	gone := map[providers.Addr]bool{}
	for _, l := range doing {
		for _, f := range l.Fixes {
			fixes[l.block.Addr] = append(fixes[l.block.Addr], f)
			gone[l.block.Addr] = gone[l.block.Addr] || f.Arg == ""
		}
	}
	now := map[providers.Addr]*config.Block{}
	for _, b := range after.Blocks {
		now[b.Addr] = b
	}
	for _, b := range before.Blocks {
		if gone[b.Addr] != (now[b.Addr] == nil) {
			return other(b)
		}
		if now[b.Addr] == nil {
			continue
		}
		want := plain(b.Args)
		for _, f := range fixes[b.Addr] {
			want = fix(want, append(strings.Split(f.Arg, "."), f.Path...), f)
		}
		if string(providers.Encode(pruned(want))) != string(providers.Encode(pruned(plain(now[b.Addr].Args)))) {
			return other(b)
		}
	}
	return nil
}

// fix makes a fix in a value.
func fix(v any, path []string, f providers.Fix) any {
	if l, ok := v.([]any); ok {
		if i, err := strconv.Atoi(path[0]); err == nil && i < len(l) && len(path) > 1 {
			l[i] = fix(l[i], path[1:], f)
		}
		return v
	}
	m, ok := v.(map[string]any)
	if !ok {
		if v != nil || f.Do != providers.Add {
			return v
		}
		m = map[string]any{}
	}
	switch {
	case len(path) > 1:
		m[path[0]] = fix(m[path[0]], path[1:], f)
	case f.Do == providers.Remove:
		delete(m, path[0])
	case f.Do == providers.Unwrap:
		return m[path[0]]
	default:
		m[path[0]] = f.Value
	}
	return m
}

// plain is a value as JSON has it, clusters by their names.
func plain(v cty.Value) any {
	switch t := v.Type(); {
	case v.IsNull():
		return nil
	case t.Equals(providers.ClusterType):
		return providers.ClusterName(v)
	case t.IsObjectType():
		out := map[string]any{}
		for k, e := range v.AsValueMap() {
			out[k] = plain(e)
		}
		return out
	}
	raw, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return nil
	}
	out, err := providers.Decode(raw)
	if err != nil {
		return nil
	}
	return out
}

// pruned leaves out what says nothing: empty objects, and null at the top.
func pruned(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for k, e := range m {
		if e = pruned(e); e != nil {
			if inner, ok := e.(map[string]any); !ok || len(inner) > 0 {
				out[k] = e
			}
		}
	}
	return out
}
