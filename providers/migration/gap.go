package migration

import (
	"errors"
	"fmt"
	"strings"

	"github.com/esmig/esmig/providers"
)

// gapError: a record of the journal tells of a range that none before it has.
// A person took a damaged line out.
type gapError struct{ unit string }

func (e gapError) Error() string {
	return fmt.Sprintf("the journal of a migration speaks of range %s, which it does not hold", e.unit)
}

// replay is the journal as it has to be to go on with the copy. A gap in it is a
// finding, which says what to do.
func (t *task) replay(j providers.Journal) (*ledger, error) {
	l, err := replay(j)
	gap := gapError{}
	if !errors.As(err, &gap) {
		return l, err
	}
	a := t.addr.String()
	if t.addr.Keyed {
		a = "'" + a + "'"
	}
	f := providers.NewError("journal_gap", "", "A line of the journal is missing",
		fmt.Sprintf("The journal speaks of range %s of %s, and the line that says what that is has been taken out. Put back a whole copy of the journal. Without one, begin again; that ends the tasks of which the other lines tell, and puts settings of %s back:\n\n    esmig apply -restart %s",
			gap.unit, t.addr, t.dstName+"/"+t.destIndex, a))
	f.Err = err
	return nil, f
}

// salvage reads a journal of which lines may be missing. It is enough to end
// what was begun, and not to go on with it.
func salvage(j providers.Journal) (*ledger, error) { return read(j, true) }

// unknown takes up a range of which a record tells that none before it has.
func (l *ledger) unknown(r record) *unit {
	u := &unit{id: r.Unit, begun: 1}
	if run, ok := strings.CutSuffix(strings.TrimPrefix(r.Opaque, "esmig-"), "-"+r.Unit); ok && l.run == "" {
		l.run = run
	}
	l.units = append(l.units, u)
	return u
}
