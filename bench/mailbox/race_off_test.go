//go:build !race

package mailbox

// raced are the cases that run under the race detector; empty: all.
const raced = ""
