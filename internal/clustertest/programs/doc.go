// Package programs defines the programs that the tests of the whole launch. It
// is a package of its own so that a test can embed the same programs that the
// executable on the hosts has.
package programs
