package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// planFormat is the version of plan documents and files.
const planFormat = 1

// planFile is a plan on disk: the sum tells a plan that was edited, or cut,
// from the one that was reviewed.
type planFile struct {
	Format int            `json:"esmig_plan"`
	Sum    string         `json:"sha256"`
	Plan   providers.JSON `json:"plan"`
}

// WritePlan keeps a plan in a file, mode 0600.
func WritePlan(fsys state.FS, path string, p *Plan) error {
	raw := providers.Encode(p)
	sum := sha256.Sum256(raw)
	b := providers.Encode(planFile{Format: planFormat, Sum: hex.EncodeToString(sum[:]), Plan: raw})
	if err := state.WriteFile(fsys, path, append(b, '\n')); err != nil {
		return fmt.Errorf("the plan could not be written: %w", err)
	}
	return nil
}

// ReadPlan reads a plan file and refuses one that is not what WritePlan wrote.
func ReadPlan(fsys state.FS, path string) (*Plan, error) {
	fail := func(code, summary, detail string) (*Plan, error) {
		return nil, Diagnostic{Severity: providers.SeverityError, Code: code, Summary: summary, Detail: detail}
	}
	again := "Make a new one with\n\n    esmig plan -out " + filepath.Base(path)
	raw, err := fsys.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fail("no_plan", "Plan file is not there", fmt.Sprintf("There is no file %s. %s", path, again))
	}
	if err != nil {
		return fail("no_plan", "Plan file cannot be read", err.Error())
	}
	var f planFile
	if err := json.Unmarshal(raw, &f); err != nil || f.Format == 0 {
		return fail("bad_plan", "Not a plan file", fmt.Sprintf("%s is no plan of esmig, or it was cut off. %s", path, again))
	}
	if f.Format != planFormat {
		return fail("newer_plan", "Plan file of another format", fmt.Sprintf("%s has format %d; this esmig writes and reads format %d. %s", path, f.Format, planFormat, again))
	}
	if sum := sha256.Sum256(f.Plan); hex.EncodeToString(sum[:]) != f.Sum {
		return fail("changed_plan", "Plan file was changed", fmt.Sprintf("%s is not what esmig plan wrote: its contents do not fit its checksum. %s", path, again))
	}
	var p Plan
	if err := decodeInto(f.Plan, &p); err != nil {
		return fail("bad_plan", "Not a plan file", fmt.Sprintf("%s: %v. %s", path, err, again))
	}
	return &p, nil
}

// CheckPlan says whether a plan from a file is still about the same files,
// state, clusters, secrets and objects. None of it changes anything.
func (e *Engine) CheckPlan(ctx context.Context, p *Plan) []Diagnostic {
	stale := func(format string, args ...any) []Diagnostic {
		return []Diagnostic{{Severity: providers.SeverityError, Code: "stale_plan", Summary: "The plan is out of date",
			Detail: fmt.Sprintf(format, args...) + " Nothing has been changed. Plan again with esmig plan -out FILE and review that."}}
	}
	st := e.Store.Get()
	e.salted = newSecrets(e.Config, p.Salt)
	switch {
	case p.Lineage != st.Lineage && p.Serial > 0: // a state that was never written has none to keep
		return stale("It was made for another state (lineage %s, here %s).", p.Lineage, st.Lineage)
	case p.Serial != st.Serial:
		return stale("The state has changed since: an apply ran after this plan was made (serial %d, now %d).", p.Serial, st.Serial)
	case p.ConfigHash != e.Config.Hash:
		return stale("The files, or the values of variables, have changed since this plan was made.")
	}
	for name, h := range p.SecretHashes {
		if e.secretHashes()[name] != h {
			return stale("The sensitive variable %q has another value, or none, than when this plan was made.", name)
		}
	}
	nodes, ds := e.bind(ctx, st)
	if failed(ds) {
		return ds
	}
	byAddr := map[providers.Addr]*node{}
	for _, n := range nodes {
		n.out = true
		byAddr[n.addr] = n
	}
	for _, s := range p.Steps {
		n := byAddr[s.Addr]
		if n == nil {
			return stale("It has a step for %s, which the files and the state no longer have.", s.Addr)
		}
		n.out = false
		if s.Action != Restore {
			n.step = s
		}
	}
	clusters, ds, err := e.identify(ctx, nodes, st)
	if err != nil {
		return append(ds, Diagnose(err))
	}
	if failed(ds) {
		return ds
	}
	for _, c := range clusters {
		i := slices.IndexFunc(p.Clusters, func(o PlanCluster) bool { return o.Name == c.Name })
		if i >= 0 && p.Clusters[i].Info.UUID != c.Info.UUID {
			return stale("%s is another cluster than the one it was made for.", c.Name)
		}
	}
	for _, s := range p.Steps {
		if s.Fingerprint == unseen || s.Fingerprint == "" {
			continue
		}
		n := byAddr[s.Addr]
		now, _, err := e.observe(ctx, n)
		if err != nil {
			return e.nodeDiagnostics(n, err)
		}
		if e.fingerprint(now, s.Relaxed) != s.Fingerprint {
			return stale("%s (%s on %s) was changed on the cluster since.", s.Addr, s.ID, s.Cluster)
		}
		if s.Action == Delete || s.Action == Replace {
			if err := e.mayGo(ctx, s, n); err != nil {
				return e.nodeDiagnostics(n, err)
			}
		}
	}
	ds, err = e.preflight(ctx, newFlow(nodes)) // the way between the clusters, and documents that came since
	if err != nil {
		ds = append(ds, Diagnose(err))
	}
	return ds
}

// secretHashes of the sensitive variables, so that apply FILE can tell whether
// it got the same ones.
func (e *Engine) secretHashes() map[string]string {
	m := map[string]string{}
	for name, v := range e.Config.SecretVariables {
		m[name] = e.salted.hash(name, v)
	}
	return m
}

// outputs as they are shown.
func (e *Engine) outputs() map[string]providers.JSON {
	if len(e.Config.Outputs) == 0 {
		return nil
	}
	m := map[string]providers.JSON{}
	for _, o := range e.Config.Outputs {
		m[o.Name] = providers.Encode("(sensitive)")
		if !o.Sensitive {
			b, err := ctyjson.Marshal(o.Value, o.Value.Type())
			if err != nil {
				b = providers.Encode(err.Error())
			}
			m[o.Name] = b
		}
	}
	return m
}
