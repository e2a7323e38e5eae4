//go:build race

package mailbox

// Under the race detector each process takes seconds, so one case of each kind has to do.
const raced = "tell/16,payload/65536/tls,call/16/tls,call-local/16"
