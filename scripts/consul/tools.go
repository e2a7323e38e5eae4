//go:build tools

// Package consul pins the Consul server that tests run, in a module of its own so that none of its
// dependencies become ours. scripts/setup.sh builds it. Its licence (BUSL-1.1) allows use as a test server; nothing of it is shipped.
package consul

import _ "github.com/hashicorp/consul"
