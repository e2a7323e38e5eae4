//go:build !linux

package main

import (
	"context"
	"fmt"
	"runtime"
)

func measure(context.Context) (Status, error) {
	return Status{}, fmt.Errorf("this example reads /proc, so its hosts must run Linux, not %s; this machine can still launch it: -launch ssh", runtime.GOOS)
}
