package engine

import (
	"context"
	"slices"

	"github.com/esmig/esmig/providers"
)

// sayWhatIsLeft asks one migration of each pair of clusters what a person has
// to do now that the documents are in.
func (e *Engine) sayWhatIsLeft(ctx context.Context, steps []*Step, byAddr map[providers.Addr]*node) {
	type pair struct{ from, to string }
	asked := map[pair]bool{}
	var texts []string
	for _, s := range steps {
		t, ok := byAddr[s.Addr].task.(providers.Leaver)
		if !ok || s.Action != Migrate && s.Action != Resume {
			continue
		}
		src, _ := t.Source()
		dst, _ := t.Destination()
		p := pair{src.Name(), dst.Name()}
		if asked[p] {
			continue
		}
		asked[p] = true
		for _, text := range e.secrets.texts(t.Left(ctx)) {
			if !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
	if len(texts) > 0 {
		e.send(LeftToDo{Texts: texts})
	}
}
