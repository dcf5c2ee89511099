package view

import (
	"io"
	"maps"
	"slices"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// State draws what esmig knows of its last apply.
func State(w io.Writer, st *state.State, o Options) {
	p := newPrinter(w, o)
	if len(st.Objects) == 0 {
		p.line("The state is empty: nothing has been applied.")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(st.Clusters)) {
		c := st.Clusters[name]
		p.line(p.paint(p.bold, pad(clean(name), 10)), clean(c.Endpoint), cleanf("   %s   %s", c.Version, c.UUID))
	}
	p.gap()
	for _, x := range st.Objects {
		p.fit(x.Addr.String())
	}
	for i := range st.Objects {
		p.object(&st.Objects[i])
	}
	p.gap()
	p.line(cleanf("%s. Serial %d, lineage %s, written by %s.", count(len(st.Objects), "object"), st.Serial, st.Lineage, st.Writer))
}

// Object draws one object with what was declared last.
func Object(w io.Writer, x *state.Object, o Options) {
	p := newPrinter(w, o)
	p.object(x)
	p.body(x.Declared)
}

func (p *printer) object(x *state.Object) {
	text := cleanf("%s on %s", x.ID, x.Cluster)
	if x.Phase != "" {
		text += cleanf(", %s", string(x.Phase))
	} else if !x.Owned {
		text += ", adopted"
	}
	for _, w := range x.Withheld {
		text += cleanf(", %s withheld", short(w))
	}
	if n := providers.RefusedDocuments(x.Refused); n > 0 {
		text += cleanf(", %s refused", count(n, "document"))
	}
	if x.Pending != nil {
		text += cleanf(", %s begun %s and not finished", x.Pending.Action, x.Pending.Since)
	}
	p.line("  ", p.address(x.Addr), text)
}
