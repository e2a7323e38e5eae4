//go:build linux

package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// run runs a command; its error has what the command printed.
func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("netns: %s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// ipBatch runs many ip commands in one process: starting one costs more than what it does.
func ipBatch(lines []string) error {
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	return run(cmd)
}

// deleteLink deletes a network interface, if there is one of this name.
func deleteLink(name string) error {
	err := run(exec.Command("ip", "link", "delete", name))
	// It may have gone with its other end while the command was starting, so it is the outcome that counts.
	if _, gone := os.Stat(filepath.Join("/sys/class/net", name)); errors.Is(gone, os.ErrNotExist) {
		return nil
	}
	return err
}

// each runs f for all hosts at once and returns all errors.
func each(hosts []*Host, f func(*Host) error) error {
	errs := make([]error, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() { errs[i] = f(h) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
