package migration

import (
	"regexp"

	"github.com/esmig/esmig/providers"
)

var failedField = regexp.MustCompile(`failed to parse field \[([^\]]+)\]`)

// plainReason leaves out of a reason what is another for each document.
func plainReason(s string) string {
	return atSource.ReplaceAllString(ofDocument.ReplaceAllString(position.ReplaceAllString(s, ""), ""), "")
}

// bury hands refused documents to the journal, if it keeps them.
func (s *streamer) bury(x *sourceIndex, refused []refusal) error {
	letters, ok := s.j.(providers.DeadLetters)
	if !ok {
		return nil
	}
	for _, r := range refused {
		if _, there := s.buried.LoadOrStore(x.Name+"\x00"+r.ID+"\x00"+string(r.doc.routing), true); there {
			continue
		}
		e := parseFailure(r.failure)
		reason := plainReason(e.Reason)
		if e.RootCause != "" {
			reason += "; because of " + plainReason(e.RootCause)
		}
		field := ""
		for _, find := range []*regexp.Regexp{fieldType, failedField, introduced} {
			if m := find.FindStringSubmatch(e.Reason); m != nil {
				field = m[1]
				break
			}
		}
		d := providers.DeadLetter{Index: x.Name, Dest: s.destIndex, ID: r.ID, Version: wholeNumber(r.doc.version),
			Status: r.Status, Type: e.Type, Reason: reason, Field: field, Advice: advice(s.task, e.Type+": "+reason), Source: r.doc.source}
		if r.doc.routing != nil {
			d.Routing = unquote(r.doc.routing)
		}
		if err := letters.Refused(d); err != nil {
			return err
		}
	}
	return nil
}
