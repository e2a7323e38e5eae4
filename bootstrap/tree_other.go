//go:build unix && !linux

package bootstrap

import "syscall"

// held says how the worker and its children are kept from outliving the host's part in the run.
const held = "process group of the worker"

// holdsOrphans says that descendants which leave the worker's process group are not found.
const holdsOrphans = false

// becomeReaper does nothing: only Linux hands orphans to a chosen ancestor.
func becomeReaper() error { return nil }

// workerAttr puts the worker into a session of its own, whose process group can be killed.
func workerAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// killDescendants cannot find descendants outside of the worker's process group here; the group itself was killed before.
func killDescendants(int) int { return 0 }

func reapOrphans(int) {}

func trim() {}
