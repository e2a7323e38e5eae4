//go:build !linux && !darwin

package remote

import "net"

// boundUnsent leaves it to the kernel how much it takes from the writer before it has sent that.
func boundUnsent(net.Conn) {}

// freeUnsent has nothing to undo.
func freeUnsent(net.Conn) {}
