package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/esmig/esmig/providers"
)

// Files is the part of state.FS that reading a configuration needs.
type Files interface {
	ReadFile(name string) ([]byte, error)
	ReadDir(name string) ([]string, error)
}

// Options says what to load.
type Options struct {
	Dir   string
	Files Files
	Kinds []*providers.Kind
	// Vars are "name=value", as -var takes them; a later one wins, and all of
	// them win over VarFiles, which win over Env.
	Vars     []string
	VarFiles []string
	Env      []string // os.Environ style; only ESMIG_VAR_* is read
	// Planned are the Variables of a plan file: weaker than a flag, stronger
	// than Env.
	Planned map[string]providers.JSON
	// Version of esmig that required_version is held against; one that is no
	// version (a development build) meets every requirement.
	Version string
	// Lenient reads files whose variables have no value, for looking at what
	// they say without one: what a variable would give is taken for absent, or
	// for the text "(no value)" where something has to stand.
	Lenient bool
}

// loader is one Load: what is declared, what is evaluated so far, and what was
// found wrong.
type loader struct {
	Options
	cfg   *Config
	kinds map[string]*providers.Kind
	funcs map[string]function.Function

	settings *decl // the esmig block
	clusters map[string]*decl
	vars     map[string]*variable
	locals   map[string]*local
	blocks   map[string]map[string]*decl // by kind and name
	outputs  map[string]*decl
	moved    []*hclsyntax.Block
	removed  []*hclsyntax.Block

	// broken files have syntax errors: what they declare is known only in
	// part, so nothing that may be due to that is reported.
	broken map[string]bool
	// lost are root names whose declarations may be among the blocks of an
	// unknown kind: references to them are not reported again.
	lost    map[string]bool
	read    map[string]string // digests of all files read, by name relative to Dir
	running []*thunk          // being evaluated, outermost first
	cyclic  bool              // an evaluation cycle was found
	secrets map[string]bool
	diags   hcl.Diagnostics

	objects map[hcl.Range]*object     // see Spot
	roots   map[string]hcl.Expression // of JSON files, by the name in Sources
}

// Load reads the files of a folder and evaluates all that they say. The Config
// is never nil; with errors it is incomplete, but Sources is there to show
// their lines.
func Load(o Options) (*Config, hcl.Diagnostics) {
	l := &loader{
		Options: o,
		cfg: &Config{
			Dir:             o.Dir,
			Settings:        Settings{StatePath: defaultStatePath},
			Clusters:        map[string]*Cluster{},
			Sources:         map[string]*hcl.File{},
			SecretVariables: map[string]string{},
			Variables:       map[string]providers.JSON{},
		},
		kinds:    map[string]*providers.Kind{},
		clusters: map[string]*decl{},
		vars:     map[string]*variable{},
		locals:   map[string]*local{},
		blocks:   map[string]map[string]*decl{},
		outputs:  map[string]*decl{},
		broken:   map[string]bool{},
		lost:     map[string]bool{},
		read:     map[string]string{},
		secrets:  map[string]bool{},
		objects:  map[hcl.Range]*object{},
		roots:    map[string]hcl.Expression{},
	}
	l.cfg.loader = l
	l.funcs = l.functions()
	for _, k := range o.Kinds {
		l.kinds[k.Name] = k
		l.blocks[k.Name] = map[string]*decl{}
	}
	for _, body := range l.parse() {
		l.declare(body)
	}
	if l.loadSettings() {
		l.loadVariables()
		for _, name := range slices.Sorted(maps.Keys(l.locals)) {
			if lo := l.locals[name]; !l.broken[lo.attr.NameRange.Filename] {
				l.force(lo.value)
			}
		}
		l.loadClusters()
		l.loadBlocks()
		l.loadOutputs()
		l.loadMoves()
	}
	l.finish()
	return l.cfg, l.diags
}

// parse reads all files; those with syntax errors give what could be read.
func (l *loader) parse() []*hclsyntax.Body {
	names, err := l.Files.ReadDir(l.Dir)
	if err != nil {
		l.errorf(hcl.Range{}, "Unreadable folder", "%s", readError("folder", l.Dir, err))
		return nil
	}
	var bodies []*hclsyntax.Body
	for _, name := range slices.Sorted(slices.Values(names)) {
		if !strings.HasSuffix(name, ".hcl") || strings.HasPrefix(name, ".") {
			continue
		}
		shown := filepath.ToSlash(filepath.Join(l.Dir, name))
		src, err := l.readFile(name)
		if err != nil {
			l.broken[shown] = true
			l.diags = append(l.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unreadable file",
				Detail: readError("file", shown, err), Subject: &hcl.Range{Filename: shown, Start: hcl.InitialPos, End: hcl.InitialPos}})
			continue
		}
		f, diags := hclsyntax.ParseConfig(src, shown, hcl.InitialPos)
		for _, d := range diags {
			// The one error of the parser that leaves everything readable.
			if d.Summary != "Attribute redefined" {
				l.broken[shown] = true
			}
		}
		l.diags = append(l.diags, diags...)
		if f != nil {
			f.Bytes = slices.Clone(f.Bytes) // literal secrets are blanked out in it
			l.cfg.Sources[shown] = f
			bodies = append(bodies, f.Body.(*hclsyntax.Body))
		}
	}
	if len(bodies) == 0 && len(l.diags) == 0 {
		l.errorf(hcl.Range{}, "No configuration", "The folder %q holds no *.hcl file. Write one, or name the folder that holds them.", l.Dir)
	}
	return bodies
}

// readFile reads a file named relative to Dir and remembers its digest.
func (l *loader) readFile(name string) ([]byte, error) {
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(l.Dir, name)
	}
	src, err := l.Files.ReadFile(path)
	if err != nil {
		l.read[name] = "missing"
		return nil, err
	}
	sum := sha256.Sum256(src)
	l.read[name] = hex.EncodeToString(sum[:])
	return src, nil
}

func readError(what, name string, err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("There is no %s %q.", what, name)
	}
	return fmt.Sprintf("The %s %q cannot be read: %s.", what, name, err)
}

// declare sorts the blocks of one file by what they are.
func (l *loader) declare(body *hclsyntax.Body) {
	for _, a := range sortedAttrs(body.Attributes) {
		l.errorf(a.NameRange, "Unexpected argument", "The argument %q stands outside of a block. Values that are used in several places belong into locals { }.", a.Name)
	}
	for _, b := range body.Blocks {
		switch b.Type {
		case "esmig":
			if l.labels(b, 0) {
				if l.settings != nil {
					l.second(b, l.settings.block.DefRange())
				} else {
					l.settings = l.newDecl(settingsKind, b)
				}
			}
		case "variable":
			l.declareVariable(b)
		case "locals":
			l.declareLocals(b)
		case "output":
			l.declareIn(l.outputs, outputKind, b)
		case "cluster":
			l.declareIn(l.clusters, clusterKind, b)
		case "moved":
			l.moved = append(l.moved, b)
		case "removed":
			l.removed = append(l.removed, b)
		default:
			if k := l.kinds[b.Type]; k != nil {
				l.declareIn(l.blocks[k.Name], k, b)
				continue
			}
			known := append(slices.Collect(maps.Keys(l.kinds)), "esmig", "variable", "locals", "output", "cluster", "moved", "removed")
			l.lost[b.Type], l.lost[nearest(b.Type, known)] = true, true
			l.errorf(b.TypeRange, "Unsupported block type", "There is no kind of block %q.%s", b.Type, didYouMean(b.Type, known))
		}
	}
}

func (l *loader) declareIn(m map[string]*decl, k *providers.Kind, b *hclsyntax.Block) {
	if !l.labels(b, 1) {
		return
	}
	d := l.newDecl(k, b)
	if first := m[d.name]; first != nil {
		l.duplicate(b, k.Name+"."+d.name, first.block.DefRange())
		return
	}
	m[d.name] = d
}

func (l *loader) duplicate(b *hclsyntax.Block, what string, first hcl.Range) {
	l.errorf(b.DefRange(), "Declared twice", "%s is declared already %s. Give one of the two another name, or remove it.", what, at(first))
}

// second reports another block of a type that there can be only one of.
func (l *loader) second(b *hclsyntax.Block, first hcl.Range) {
	l.errorf(b.DefRange(), "Declared twice", "There is one %s block already, %s, and there can be only one. Write everything into that one.", b.Type, at(first))
}

// labels checks number and form of a block's labels.
func (l *loader) labels(b *hclsyntax.Block, want int) bool {
	if len(b.Labels) != want {
		form := "one label: " + b.Type + ` "NAME" { … }`
		if want == 0 {
			form = "no label: " + b.Type + " { … }"
		}
		l.errorf(b.DefRange(), "Wrong number of labels", "This block is written with %s", form)
		return false
	}
	if want == 1 && !hclsyntax.ValidIdentifier(b.Labels[0]) {
		l.errorf(b.LabelRanges[0], "Invalid label", "%q cannot be referred to: a label begins with a letter and holds letters, digits, \"_\" and \"-\". "+
			"An object whose name on the cluster has other characters gets it from its argument \"name\".", b.Labels[0])
		return false
	}
	return true
}

// loadOutputs evaluates the output blocks.
func (l *loader) loadOutputs() {
	for _, d := range sortedDecls(l.outputs) {
		if l.skip(d) {
			continue
		}
		in := l.only(d)
		raw := l.force(in.args["value"])
		sensitive := l.flag(in, "sensitive")
		if !sensitive && marked(raw) {
			l.errorf(d.body.attrs["value"].NameRange, "Sensitive output", "The value of output %q is made from a sensitive value. Write sensitive = true to say that it is meant.", d.name)
			continue
		}
		v, _ := raw.UnmarkDeep()
		if sensitive {
			l.secret(leaves(v)...)
		}
		if v.IsWhollyKnown() {
			l.cfg.Outputs = append(l.cfg.Outputs, Output{Name: d.name, Value: v, Sensitive: sensitive})
		}
	}
}

// finish brings the results into their order and form.
func (l *loader) finish() {
	c := l.cfg
	slices.SortFunc(c.Blocks, func(a, b *Block) int { return a.Addr.Compare(b.Addr) })
	c.Secrets = slices.Sorted(maps.Keys(l.secrets))
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(l.read)) {
		fmt.Fprintf(h, "file %q %s\n", filepath.ToSlash(name), l.read[name])
	}
	for _, name := range slices.Sorted(maps.Keys(l.vars)) {
		v := l.vars[name]
		if v.sensitive || !v.value.val.IsWhollyKnown() {
			continue
		}
		if text, err := ctyjson.Marshal(v.value.val, cty.DynamicPseudoType); err == nil {
			fmt.Fprintf(h, "var %q %s\n", name, text)
		}
	}
	c.Hash = hex.EncodeToString(h.Sum(nil))
	l.diags = tidy(l.diags, c.Secrets)
}

// tidy sorts diagnostics by place, drops repetitions (instances of for_each
// share their expressions), and makes sure that none shows a secret.
func tidy(diags hcl.Diagnostics, secrets []string) hcl.Diagnostics {
	type key struct {
		at              hcl.Range
		summary, detail string
	}
	secrets = slices.SortedFunc(slices.Values(secrets), func(a, b string) int { return len(b) - len(a) })
	seen := map[key]bool{}
	var out hcl.Diagnostics
	for _, d := range diags {
		for _, s := range secrets {
			if len(s) > 3 {
				d.Detail = strings.ReplaceAll(d.Detail, s, "(sensitive value)")
			}
		}
		k := key{summary: d.Summary, detail: d.Detail}
		if d.Subject != nil {
			k.at = *d.Subject
		}
		if !seen[k] {
			seen[k] = true
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, func(a, b *hcl.Diagnostic) int {
		var ra, rb hcl.Range
		if a.Subject != nil {
			ra = *a.Subject
		}
		if b.Subject != nil {
			rb = *b.Subject
		}
		return cmp.Or(cmp.Compare(ra.Filename, rb.Filename), cmp.Compare(ra.Start.Byte, rb.Start.Byte), cmp.Compare(a.Detail, b.Detail))
	})
	return out
}

// errorf adds an error, unless it stands in a file with syntax errors, where
// it may be no more than their consequence.
func (l *loader) errorf(at hcl.Range, summary, format string, args ...any) {
	if l.broken[at.Filename] {
		return
	}
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...)}
	if at.Filename != "" {
		d.Subject = &at
	}
	l.diags = append(l.diags, d)
}

// missing adds the error that something is not declared, unless a file with
// syntax errors may declare it.
func (l *loader) missing(at hcl.Range, summary, format string, args ...any) {
	if len(l.broken) == 0 {
		l.errorf(at, summary, format, args...)
	}
}

func (l *loader) secret(values ...string) {
	for _, s := range values {
		if s != "" {
			l.secrets[s] = true
		}
	}
}

// at writes a place as a part of a sentence.
func at(r hcl.Range) string { return fmt.Sprintf("on %s line %d", r.Filename, r.Start.Line) }
