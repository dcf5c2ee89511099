package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestGuidePage keeps docs/guide.md true: it quotes every sentence of the guide
// that is kept in testdata/guide-quotes.txt, in the guide's order, and each of
// its lines names tests that exist.
func TestGuidePage(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "guide.md"))
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "(docs/guide.md)") {
		t.Error("the README does not lead to docs/guide.md")
	}
	there := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		for _, m := range declared.FindAllStringSubmatch(string(src), -1) {
			there[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)`")
	var sentences []string
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| the guide |") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		sentences = append(sentences, cells[0])
		tests := named.FindAllStringSubmatch(cells[len(cells)-1], -1)
		if len(cells) != 2 || len(tests) == 0 {
			t.Errorf("no test, or not two columns: %s", line)
		}
		for _, m := range tests {
			if !there[m[1]] {
				t.Errorf("there is no %s, which is to show: %s", m[1], cells[0])
			}
		}
	}
	quotes, err := os.ReadFile(filepath.Join("testdata", "guide-quotes.txt"))
	if err != nil {
		t.Fatal(err)
	}
	rest, found := strings.Join(sentences, "\n"), 0
	for quote := range strings.Lines(string(quotes)) {
		if quote = strings.TrimSpace(quote); quote == "" || strings.HasPrefix(quote, "#") {
			continue
		}
		_, after, ok := strings.Cut(rest, quote)
		if !ok {
			t.Errorf("the page does not quote, or not in its place: %s", quote)
			continue
		}
		rest = after
		found++
	}
	if found < 50 {
		t.Errorf("only %d quotes of the guide were found", found)
	}
}
