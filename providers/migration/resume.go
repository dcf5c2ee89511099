package migration

import (
	"context"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/esmig/esmig/providers"
)

// resume tells what is continued, and begins anew if the destination lost what
// was copied into it.
func (r *run) resume(ctx context.Context) error {
	if err := r.patiently(ctx, func() error { return r.secure(ctx) }); err != nil {
		return err
	}
	ranges, c := r.l.sum()
	if c.Created > 0 && !r.dest.Stream && !r.dropsIt {
		var there int64
		if r.dest.Exists {
			err := r.patiently(ctx, func() (err error) {
				if err := refresh(ctx, r.dst, r.destIndex); err != nil && !errors.Is(err, providers.ErrDenied) {
					return err
				}
				there, err = count(ctx, r.dst, r.destIndex, -1, nil)
				return err
			})
			if err != nil {
				return err
			}
		}
		if there < c.Created {
			r.j.Note(fmt.Sprintf("%s holds %s documents, but %s had been copied: everything is copied again.",
				r.dstName+"/"+r.destIndex, humanize.Comma(there), humanize.Comma(c.Created)))
			r.l = &ledger{relaxed: r.l.relaxed}
			return r.j.Append(record{What: wroteReset})
		}
	}
	following, ended, again := 0, 0, 0
	waited := map[int]bool{}
	var err error
	r.l.each(func(u *unit) {
		if err != nil || !u.open() {
			return
		}
		if r.stream == nil && r.info.Flavor == providers.Serverless && u.task == "" {
			if !waited[u.index] {
				waited[u.index] = true
				err = r.outwait(ctx, r.l.indices[u.index])
			}
		} else if r.stream == nil {
			var end *taskAnswer
			if end, err = r.locate(ctx, u); end != nil && judge(*end).what == fine {
				ended++
				return
			} else if end != nil { // what was wrong with it was told, or is found again
				again++
				return
			}
		} else {
			u.task = "" // what may still run there does no harm
		}
		if u.task != "" {
			following++
		} else {
			again++
		}
	})
	text := fmt.Sprintf("%d of %d ranges were done (%s documents)", ranges, len(r.l.units)+len(r.l.tails), humanize.Comma(c.done()))
	if following > 0 {
		text += fmt.Sprintf("; %d %s on %s and %s followed", following, plural(following, "task still runs", "tasks still run"), r.dstName, plural(following, "is", "are"))
	}
	if ended > 0 {
		text += fmt.Sprintf("; %d %s ended well meanwhile", ended, plural(ended, "task has", "tasks have"))
	}
	if again > 0 {
		text += fmt.Sprintf("; %d %s again", again, plural(again, "range starts", "ranges start"))
	}
	r.j.Note(text + ".")
	return err
}
