package tlaunch

import "errors"

// apply has nothing to apply to: no host's process runs here.
func (l Limits) apply() error { return errors.ErrUnsupported }
