package view

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/esmig/esmig/engine"
)

// Replay shows again what JSON wrote. Lines of a type that this version does
// not know are passed over: a newer esmig may have written them.
func Replay(r io.Reader, v View) error {
	decoders := decoders()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 64<<20) // a plan is one line
	for n := 1; lines.Scan(); n++ {
		var rec struct {
			engine.Record
			Event json.RawMessage `json:"event"`
		}
		if err := json.Unmarshal(lines.Bytes(), &rec); err != nil {
			return fmt.Errorf("line %d is no event: %w", n, err)
		}
		decode, ok := decoders[rec.Type]
		if !ok {
			continue
		}
		e, err := decode(rec.Event)
		if err == nil {
			err = whole(e)
		}
		if err != nil {
			return fmt.Errorf("line %d, an event of type %q: %w", n, rec.Type, err)
		}
		rec.Record.Event = e
		v.Show(rec.Record)
	}
	return lines.Err()
}

// whole refuses what no engine sends and what could not be drawn.
func whole(e engine.Event) error {
	p, ok := e.(engine.PlanReady)
	if ok && (p.Plan == nil || slices.Contains(p.Plan.Steps, nil) || slices.Contains(p.Plan.Drift, nil)) {
		return errors.New("it holds no plan")
	}
	return nil
}

type decoder func(json.RawMessage) (engine.Event, error)

func decoders() map[string]decoder {
	m := map[string]decoder{}
	add[engine.RefreshDone](m)
	add[engine.PlanReady](m)
	add[engine.DriftFound](m)
	add[engine.DiagnosticFound](m)
	add[engine.ApplyStarted](m)
	add[engine.StepStarted](m)
	add[engine.StepProgress](m)
	add[engine.StepNote](m)
	add[engine.StepDone](m)
	add[engine.StepFailed](m)
	add[engine.VerifyDone](m)
	add[engine.LeftToDo](m)
	add[engine.Interrupted](m)
	add[engine.Summary](m)
	return m
}

func add[E engine.Event](m map[string]decoder) {
	var zero E
	m[engine.NewRecord(zero, 0, time.Time{}).Type] = func(raw json.RawMessage) (engine.Event, error) {
		var e E
		err := json.Unmarshal(raw, &e)
		return e, err
	}
}
