//go:build !race

package mailbox

const cases = "" // all
