// Package providertest holds what tests need instead of, and beside, real
// servers: a fake cluster that answers like Elasticsearch without a socket
// (Fake, Network), faults to put in its way (Fault), and the suite that every
// kind passes on the fake and on real servers (RunKind, Cases).
//
// The fake is strict: a path, parameter, field or query that it does not know
// is refused, as a server would, or with a 501 that says "fake: not
// supported"; it never guesses. It is held to reality by fake_real_test.go,
// which sends the same requests to it and to a real server.
package providertest
