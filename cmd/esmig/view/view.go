package view

import (
	"time"

	"github.com/esmig/esmig/engine"
)

// View draws a stream of records, live or replayed.
type View interface {
	Show(engine.Record)
	// Close takes away what is not meant to stay, such as progress bars.
	Close()
}

// Recorder gives the engine a sink that stamps each event with its number and
// the time.
func Recorder(v View) engine.Sink {
	var seq uint64
	return func(e engine.Event) {
		seq++
		v.Show(engine.NewRecord(e, seq, time.Now()))
	}
}

// Tee shows the same records in several views.
func Tee(views ...View) View { return tee(views) }

type tee []View

func (t tee) Show(r engine.Record) {
	for _, v := range t {
		v.Show(r)
	}
}

func (t tee) Close() {
	for _, v := range t {
		v.Close()
	}
}
