// Package clustertest holds the tests of the whole: programs that are launched
// by a real process on hosts in network namespaces, over a real sshd, with the
// embedded registry and with a real Consul.
//
// The launcher runs on the machine itself, which reaches the hosts as their
// gateway. Package programs defines what is launched; testprog is the
// executable, noinit one whose main does not call Init. After each run the
// tests look that nothing is left of it on any host: no process, no work
// folder, no registration.
//
// The tests need the build tag hosts, root, and what scripts/setup.sh
// installs; docs/testing.md tells more.
package clustertest
