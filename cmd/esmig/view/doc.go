// Package view draws plans, events and diagnostics: for a terminal, as plain
// lines, and as JSON lines. It is the only code that prints, and the only one
// that knows colour or width.
//
// Text from a server or a file reaches a terminal only as the type safe, which
// clean makes, so nothing that a cluster answers can move the cursor or forge
// a line.
package view
