package providers

// Selective is a Resource, a Task or a Cluster that knows, without a request,
// what of its declaration a flavour of the server does not take.
type Selective interface {
	// Lacks lists all of it. Peers are the other resources that the files
	// declare on the same cluster: what an index template gets may stand in its
	// component templates.
	Lacks(f Flavor, peers []Resource) []*Lack
}

// Lack is one thing in a block that a flavour of the server does not take: a
// finding of severity error whose detail has the server's words and what to
// write instead.
type Lack struct {
	*Finding
	// Path are the keys below the argument Finding.Arg, as they are written;
	// elements of lists by their number. Empty: the argument itself, and
	// without an argument the whole block.
	Path []string
	// Fixes rewrite the files so that nothing is lacking; nil: only a person
	// can. Either all of them are made or none.
	Fixes []Fix
	// Groups join the lacks of one cluster whose fixes belong together, as
	// those of a policy and of all that names it. None: it stands alone.
	Groups []string
	// Stuck says why there is no fix, where that is no matter of course.
	Stuck string
	// Loss says what the fix means for the data: what nothing takes the place
	// of. Lines that begin with a space are kept as they are.
	Loss string
}

// Fix is one change of what is written.
type Fix struct {
	Do   Change
	Arg  string   // with dots: "source.query"; empty, for Remove only: the whole block
	Path []string // keys below the argument
	// Value is what Set and Add write: a JSON value as Decode makes it.
	Value any
	// From is what the change was worked out from. If a variable has a part in
	// any of it, the change is not made: it would fit today's value only.
	From []Origin
	// Shared: the change is right only if all that refers to the block is known.
	// So it is for the removal of a whole block.
	Shared bool
}

// Origin is a part of what a block says. One whose block or part is not there
// says nothing.
type Origin struct {
	Addr Addr
	Arg  string
	Path []string // keys below the argument
}

// Change is what a Fix does.
type Change int

// The changes. Objects that are empty after Remove go too.
const (
	Remove Change = iota + 1 // the key at Path
	Set                      // the value at Path
	Add                      // the key at Path, which is not there yet
	Unwrap                   // the object around the key at Path, its only one, gives way to what the key holds
)
