//go:build !linux

package topology

import (
	"errors"

	"github.com/tartrl/tlaunch-go"
)

func bringUp(config) (string, []tlaunch.Option, func() error, error) {
	return "", nil, nil, errors.New("hosts in network namespaces need Linux: give -inventory FILE, or -local")
}
