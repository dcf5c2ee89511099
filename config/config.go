// Package config reads a folder of HCL files into a checked Config: blocks of
// all kinds with their arguments evaluated and complete, clusters, references
// between blocks, and the places in the files that diagnostics point at. It
// never talks to a cluster and knows no kind by name. Start reading at Load;
// eval.go has the evaluation, which is lazy, argument by argument. The way back,
// from a value to where it is written, is spot.go; edit.go says what may change
// there, rewrite.go changes it, and layout.go keeps everything around it.
package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/esmig/esmig/providers"
)

// Config is a folder of files, read, evaluated and checked.
type Config struct {
	Dir      string
	Settings Settings
	Clusters map[string]*Cluster
	// Blocks holds every block of a kind, for_each expanded, sorted by address.
	Blocks  []*Block
	Outputs []Output
	Moved   []Moved
	Removed []Removed
	// Sources are the files by the name that ranges use, for showing lines.
	Sources map[string]*hcl.File
	// Hash changes when anything that the files say changes (file contents
	// read by functions included, values of sensitive variables not).
	Hash string
	// Secrets are all sensitive strings: they must never be shown or stored.
	Secrets []string
	// Variables are the values, as JSON, that variables which are not sensitive
	// got from outside: a plan file keeps them.
	Variables map[string]providers.JSON
	// SecretVariables are the values of sensitive variables by name, for the
	// salted hashes of a plan file.
	SecretVariables map[string]string

	loader *loader // for Spot
}

// Settings is the esmig block.
type Settings struct {
	RequiredVersion string
	StatePath       string // "esmig.state.json" unless state { path } says otherwise; relative to Dir
	SourceCluster   string // default cluster for source roles, may be empty
	TargetCluster   string
}

// Cluster is a cluster block.
type Cluster struct {
	providers.ClusterConfig
	DeclRange  hcl.Range
	AttrRanges map[string]hcl.Range
}

// Block is one instance of a block of a kind.
type Block struct {
	Addr providers.Addr
	Kind *providers.Kind
	// Args is unmarked and complete: see providers.Instance.
	Args cty.Value
	// Secrets are the sensitive strings among Args.
	Secrets   []string
	DeclRange hcl.Range
	// AttrRanges is keyed by argument, nested ones with a dot: "source.query".
	AttrRanges map[string]hcl.Range
	Refs       []Ref
	DependsOn  []providers.Addr // from depends_on; a block with for_each is its whole
	Lifecycle  Lifecycle
	// Assumed says that a value was assumed in the place of a variable that has
	// none (Options.Lenient).
	Assumed bool

	in *instance
}

// Ref is a reference from a block's expressions to another block.
type Ref struct {
	To providers.Addr // without a key: any of the block's instances
	// Range is where the block's own expression stands, also when it is a
	// local or each.value that refers to the other block.
	Range hcl.Range
	// Setting is the nearest object key or argument that the reference stands
	// under ("default_pipeline" in settings = { index = { default_pipeline =
	// ingest_pipeline.x.name } }): a reference in default_pipeline or
	// final_pipeline orders nothing at the object's own step. Of a key with
	// dots, "index.default_pipeline", it is the last part.
	Setting string
}

// Lifecycle is the lifecycle block inside a block.
type Lifecycle struct {
	PreventDestroy bool
	IgnoreChanges  []string // dotted paths into the declared body; "all" ignores everything
}

// Output is an output block.
type Output struct {
	Name      string
	Value     cty.Value // unmarked
	Sensitive bool
}

// Moved is a moved block: what was From in the state is To from now on. Without
// a key it stands for all instances.
type Moved struct {
	From, To providers.Addr
	Range    hcl.Range
}

// Removed is a removed block: From is forgotten, not deleted.
type Removed struct {
	From  providers.Addr
	Range hcl.Range
}
