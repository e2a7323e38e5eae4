//go:build !linux

package topology

import "errors"

func (*field) bringUp(config) error {
	return errors.New("hosts in network namespaces need Linux: give -inventory FILE, or -local")
}
