package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFunctionsAreDocumented keeps the page of the language complete.
func TestFunctionsAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "language.md"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range (&loader{}).functions() {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/language.md lacks the function %s", name)
		}
	}
}
