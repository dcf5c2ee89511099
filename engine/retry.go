package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/esmig/esmig/providers"
	"github.com/esmig/esmig/state"
)

// runRetry sends the documents again that a finished migration leaves behind.
func (e *Engine) runRetry(ctx context.Context, n *node, o state.Object, byAddr map[providers.Addr]*node, sum *Summary) error {
	t, ok := n.task.(providers.Retrier)
	if !ok {
		return fmt.Errorf("%s cannot send documents again", n.addr)
	}
	o.Declared = e.secrets.hider()(n.task.Declared())
	// Whatever ends this: what is there by then has not been verified, and not
	// as the files say now.
	o.Phase, o.Verified = state.PhaseCopied, nil
	// Records of one that was interrupted: it read the same documents.
	if err := e.put(o, n.addr); err != nil {
		return err
	}
	e.share(n, byAddr)
	begin, j := time.Now(), e.journal(n)
	result, task, err := t.Retry(ctx, j, o.Task)
	if task == nil {
		return j.end(err)
	}
	if ended := j.end(nil); ended != nil {
		return ended
	}
	e.scrub(result.Refused)
	o.Task, o.Refused = task, result.Refused
	if putErr := e.put(o, n.addr); putErr != nil {
		return putErr
	}
	e.tell(StepDone{Addr: n.addr, Action: Retry, Seconds: time.Since(begin).Seconds(), Result: &result}, sum)
	if err != nil {
		return err
	}
	return e.verify(ctx, n, o, byAddr, sum)
}

// scrub takes secrets out of what a server said.
func (e *Engine) scrub(rs []providers.Refusal) {
	for i := range rs {
		for _, s := range []*string{&rs[i].Reason, &rs[i].CausedBy, &rs[i].Example, &rs[i].Advice} {
			*s = e.secrets.text(*s)
		}
	}
}

func them(n int64) string {
	if n == 1 {
		return "it"
	}
	return "them"
}
