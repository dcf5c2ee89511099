package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestData(t *testing.T) {
	if _, err := parse([]string{dataCommand}); err == nil {
		t.Error("data without a name is taken")
	}
	if err := writeData(t.Context(), &bytes.Buffer{}, t.TempDir(), "weather"); err == nil || !strings.Contains(err.Error(), "weather") {
		t.Errorf("an unknown data set: %v", err)
	}
	a, b := madeUpSpeeches(), madeUpSpeeches()
	total := 0
	for range 100 {
		x, err := a()
		if err != nil {
			t.Fatal(err)
		}
		y, _ := b()
		if x["body"] != y["body"] {
			t.Fatal("made-up speeches are others the second time")
		}
		total += len(x["body"].(string))
	}
	if total < 100*400 || total > 100*3000 {
		t.Errorf("100 speeches of %d bytes", total)
	}
}
