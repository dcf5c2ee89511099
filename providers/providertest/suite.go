package providertest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/esmig/esmig/providers"
)

// Case is one object whose whole life the suite goes through.
type Case struct {
	Kind string
	Name string
	// Create and Change are arguments without cluster and name, as JSON.
	Create, Change string
	// Before makes what the object needs, After removes it again. A server
	// that has no such API skips the case.
	Before, After []Step
	// Drift changes the object behind the back, also in what nobody declared.
	Drift []Step
	// Refused is what a server says to Create that was built without a module
	// that it takes; the case is skipped there.
	Refused string
	// Future are arguments with fields that no server knows yet; Field is one of
	// them as it must arrive in a request.
	Future, Field string
}

// Step is a raw request.
type Step struct{ Method, Path, Body string }

// Args are the arguments of a block: those of the JSON object, converted to
// their types, the name, the cluster "target", defaults, and null for the rest.
func Args(t testing.TB, k *providers.Kind, name, args string) cty.Value {
	t.Helper()
	typ, err := ctyjson.ImpliedType([]byte(args))
	if err != nil {
		t.Fatalf("%v in %s", err, args)
	}
	given, err := ctyjson.Unmarshal([]byte(args), typ)
	if err != nil {
		t.Fatalf("%v in %s", err, args)
	}
	left := given.Type().AttributeTypes()
	out := map[string]cty.Value{}
	for _, a := range k.Attrs {
		switch {
		case typ.HasAttribute(a.Name):
			v, err := convert.Convert(given.GetAttr(a.Name), a.Type)
			if err != nil {
				t.Fatalf("%s of %s: %v", a.Name, k.Name, err)
			}
			out[a.Name] = v
		case a.ClusterRole == "target":
			out[a.Name] = providers.ClusterValue("target")
		case a.FromLabel:
			out[a.Name] = cty.StringVal(name)
		case a.Default != cty.NilVal:
			out[a.Name] = a.Default
		default:
			out[a.Name] = cty.NullVal(a.Type)
		}
	}
	for _, a := range k.Attrs {
		delete(left, a.Name)
	}
	for n := range left {
		t.Fatalf("%s has no argument %s", k.Name, n)
	}
	return cty.ObjectVal(out)
}

func newResource(t testing.TB, c providers.Cluster, k *providers.Kind, name, args string) providers.Resource {
	t.Helper()
	r, err := k.Resource(providers.Instance{
		Addr: providers.Addr{Kind: k.Name, Name: "test"}, Args: Args(t, k, name, args), Clusters: map[string]providers.Cluster{"target": c},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// absent says whether an error means that the server has no such API.
func absent(err error) bool {
	var f *providers.Finding
	return errors.As(err, &f) && f.Code == "not_supported" || err != nil && strings.Contains(err.Error(), "no handler found for uri")
}

// steps sends raw requests. quiet: what is not there need not be.
func steps(ctx context.Context, t testing.TB, c providers.Cluster, list []Step, quiet bool) {
	t.Helper()
	for _, s := range list {
		path, query, _ := strings.Cut(s.Path, "?")
		r := providers.Request{Method: s.Method, Path: path, Repeatable: true}
		if query != "" {
			r.Query = map[string][]string{query: {""}}
		}
		if s.Body != "" {
			r.Body = []byte(s.Body)
		}
		_, err := c.Do(ctx, r)
		switch {
		case err == nil, quiet && errors.Is(err, providers.ErrNotFound):
		case absent(err) || strings.Contains(err.Error(), "must not start with '_'"):
			t.Skipf("the server has no %s: %v", path, err)
		case !quiet:
			t.Fatalf("%s %s: %v", s.Method, s.Path, err)
		}
	}
}

// RunKind takes an object of the kind through its life on a cluster: missing,
// made, written again, changed, changed behind the back, put back, deleted.
func RunKind(t *testing.T, c providers.Cluster, k *providers.Kind, cs Case) {
	ctx := t.Context()
	one := newResource(t, c, k, cs.Name, cs.Create)
	two := newResource(t, c, k, cs.Name, cs.Change)
	if _, err := one.Read(ctx); absent(err) {
		t.Skipf("the server cannot do it: %v", err)
	} else if !errors.Is(err, providers.ErrNotFound) {
		t.Fatalf("before it is made: got error %v, want one that wraps ErrNotFound", err)
	}
	t.Cleanup(func() {
		//nolint:usetesting // t.Context() is over by then
		clean := context.Background()
		if err := one.Delete(clean); err != nil {
			t.Errorf("deleting at the end: %v", err)
		}
		steps(clean, t, c, cs.After, true)
	})
	steps(ctx, t, c, cs.Before, false)

	// write writes and returns what is there then, which holds what is declared.
	write := func(what string, r providers.Resource, w providers.Write) providers.JSON {
		t.Helper()
		if err := r.Write(ctx, w); err != nil && cs.Refused != "" && strings.Contains(err.Error(), cs.Refused) {
			t.Skipf("the server was built without it: %v", err)
		} else if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		now := read(t, r)
		if again := read(t, r); !providers.Equal(now, again) {
			t.Errorf("%s: read twice, got\n%s\n%s", what, now, again)
		}
		if diff := providers.Contains(decoded(t, r.Declared()), decoded(t, now)); len(diff) > 0 {
			t.Errorf("%s: the server does not hold %v of what is declared:\n%s\n%s", what, diff, r.Declared(), now)
		}
		return now
	}
	first := write("create", one, providers.Write{})
	if again := write("the same again", one, providers.Write{Now: first, Last: first, Before: one.Declared()}); !providers.Equal(first, again) {
		t.Errorf("the same again: got\n%s\nwas\n%s", again, first)
	}
	last := write("change", two, providers.Write{Now: first, Last: first, Before: one.Declared()})
	if providers.Equal(first, last) != providers.Equal(one.Declared(), two.Declared()) {
		t.Errorf("change: was\n%s\nis\n%s", first, last)
	}
	if len(cs.Drift) > 0 {
		steps(ctx, t, c, cs.Drift, false)
		drifted := read(t, two)
		if v, ok := two.(providers.Volatile); ok {
			var err error
			if drifted, _, err = v.Settle(ctx, last, drifted); err != nil {
				t.Fatal(err)
			}
		}
		if providers.Equal(last, drifted) {
			t.Errorf("changed behind the back, but read as before:\n%s", drifted)
		}
		if back := write("put back", two, providers.Write{Now: drifted, Last: last, Before: two.Declared()}); !providers.Equal(last, back) {
			t.Errorf("put back: got\n%s\nwant\n%s", back, last)
		}
	}
	if k, ok := two.(providers.Container); ok {
		if n, err := k.Documents(ctx); n != 0 || err != nil {
			t.Errorf("%d documents, %v", n, err)
		}
	}
	for range 2 {
		if err := two.Delete(ctx); err != nil {
			t.Errorf("delete: %v", err)
		}
		if _, err := two.Read(ctx); !errors.Is(err, providers.ErrNotFound) {
			t.Errorf("after deleting: got error %v, want one that wraps ErrNotFound", err)
		}
	}
}

func read(t testing.TB, r providers.Resource) providers.JSON {
	t.Helper()
	now, err := r.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return now
}

func decoded(t testing.TB, raw providers.JSON) any {
	t.Helper()
	v, err := providers.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// RunFuture checks that a field which nobody knows yet reaches the server.
func RunFuture(t *testing.T, k *providers.Kind, cs Case) {
	c := &listener{}
	if err := newResource(t, c, k, cs.Name, cs.Future).Write(t.Context(), providers.Write{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(c.sent.String(), cs.Field) {
		t.Errorf("%s was not sent, but\n%s", cs.Field, c.sent.String())
	}
}

// listener is a cluster that says yes to everything.
type listener struct{ sent strings.Builder }

func (*listener) Name() string                    { return "target" }
func (*listener) Config() providers.ClusterConfig { return providers.ClusterConfig{Name: "target"} }
func (*listener) Info(context.Context) (providers.Info, error) {
	return providers.Info{Version: "9.4.3", Flavor: providers.Elasticsearch}, nil
}

func (l *listener) Do(_ context.Context, r providers.Request) (providers.JSON, error) {
	l.sent.Write(r.Body)
	return providers.JSON(`{"acknowledged":true}`), nil
}
