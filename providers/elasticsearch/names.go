package elasticsearch

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/esmig/esmig/providers"
)

const maxName = 255 // bytes

// checkName holds a name against the rules that all objects share. Wildcards
// and commas would make a request reach other objects too, so nothing with
// them may ever become part of a path.
func checkName(arg, name string) error {
	switch {
	case name == "":
		return badName(arg, name, "is empty")
	case len(name) > maxName:
		return badName(arg, name[:30]+"…", fmt.Sprintf("is longer than %d bytes", maxName))
	case name == "." || name == ".." || name == noPipeline || name == "_all":
		return badName(arg, name, "has a meaning of its own")
	case strings.ContainsAny(name, ",*"):
		return badName(arg, name, "holds a comma or a *")
	case strings.ContainsFunc(name, unicode.IsControl):
		return badName(arg, name, "holds a control character")
	}
	return nil
}

// checkPolicyName is for lifecycle policies.
func checkPolicyName(arg, name string) error {
	switch err := checkName(arg, name); {
	case err != nil:
		return err
	case strings.HasPrefix(name, "_"):
		return badName(arg, name, "begins with an underscore")
	case strings.ContainsFunc(name, unicode.IsSpace):
		return badName(arg, name, "holds a space")
	}
	return nil
}

// checkTemplateName is for index and component templates.
func checkTemplateName(arg, name string) error {
	switch err := checkPolicyName(arg, name); {
	case err != nil:
		return err
	case strings.ToLower(name) != name:
		return badName(arg, name, "holds capital letters")
	case strings.Contains(name, "#"):
		return badName(arg, name, "holds a #")
	}
	return nil
}

// checkIndexName is for indices, data streams and aliases.
func checkIndexName(arg, name string) error {
	switch err := checkTemplateName(arg, name); {
	case err != nil:
		return err
	case strings.HasPrefix(name, "-"), strings.HasPrefix(name, "+"):
		return badName(arg, name, "begins with - or +")
	case strings.ContainsAny(name, `?"<>|\/:`):
		return badName(arg, name, `holds one of ? " < > | \ / :`)
	}
	return nil
}

func badName(arg, name, why string) error {
	return providers.NewError("bad_name", arg, "Invalid name", fmt.Sprintf("The name %q %s; the server refuses that.", name, why))
}

// checkObject refuses a body that is no object, above all JSON text that was
// not decoded.
func checkObject(arg string, v any) error {
	switch v.(type) {
	case nil, map[string]any:
		return nil
	case string:
		return providers.NewError("no_object", arg, "Not an object",
			fmt.Sprintf("%s is a text. If the text is JSON, write jsondecode(…), for a file jsondecode(file(\"…\")).", arg))
	}
	return providers.NewError("no_object", arg, "Not an object", arg+" must be an object: { … }.")
}

// checkObjects is checkObject for several arguments of a body.
func checkObjects(body map[string]any, args ...string) []error {
	var errs []error
	for _, a := range args {
		if err := checkObject(a, body[a]); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// checkList refuses what is no list of objects.
func checkList(arg string, v any) error {
	if v == nil {
		return nil
	}
	l, ok := v.([]any)
	if !ok {
		return providers.NewError("no_list", arg, "Not a list", arg+" must be a list: [ … ].")
	}
	for i, e := range l {
		if _, ok := e.(map[string]any); !ok {
			return providers.NewError("no_object", arg, "Not an object", fmt.Sprintf("%s[%d] must be an object: { … }.", arg, i))
		}
	}
	return nil
}

// matches says whether a name fits a pattern in which * stands for anything.
func matches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	last := parts[len(parts)-1]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, last)
}

// badPattern is what a server refuses in index_patterns.
func badPattern(p string) bool {
	return strings.HasPrefix(p, "_") || strings.ContainsAny(p, `,#\/?"<>|:`) ||
		strings.ContainsFunc(p, unicode.IsSpace)
}
