//go:build !linux

package mailbox

import (
	"errors"
	"os/exec"
)

var errLinux = errors.New("hosts in network namespaces need Linux")

// A field is two hosts, which there are on Linux only.
type field struct{}

func newField() (*field, error)                    { return nil, errLinux }
func (*field) close() error                        { return nil }
func (*field) address() string                     { return "" }
func (*field) command(string, ...string) *exec.Cmd { return nil }

// cannot says why a contest cannot be held here, if so.
func (k contest) cannot() string {
	if k.onHosts() {
		return errLinux.Error()
	}
	return ""
}
