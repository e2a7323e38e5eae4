//go:build !linux

package ship

import (
	"os"
	"time"
)

// identify knows of no file here whether it has changed.
func identify(*os.File) (string, time.Time, bool) { return "", time.Time{}, false }

func ownFile(*os.File) bool { return false }
