//go:build !linux

package launch

import (
	"errors"
	"runtime"
)

func (f *field) bringUp(config) error {
	return errors.New("hosts in network namespaces need Linux, not " + runtime.GOOS + ": name hosts with -inventory FILE")
}
