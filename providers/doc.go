// Package providers is the contract between the engine and the kinds of
// blocks: addresses, kinds with their arguments and stages, resources that are
// compared and written, tasks that move data and record it in a journal, and
// the connection to a cluster. It imports nothing but go-cty and the standard
// library, so everything else may import it.
package providers
