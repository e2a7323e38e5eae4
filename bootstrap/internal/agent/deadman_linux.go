package agent

import (
	"fmt"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// deadman kills this process unless it gives a sign of life in time. It is a timer of the kernel, whose signal ends a process that
// was stopped too: nobody outside has to notice, which an init in a PID namespace could not, as it does not see its agent.
// Its clock stands still while the machine sleeps.
type deadman struct {
	timer int32 // the kernel's name for it

	mu       sync.Mutex
	patience time.Duration
	changed  chan struct{} // capacity 1: patience has changed
	stopped  chan struct{}
	beats    sync.WaitGroup
}

// startDeadman lets the process be killed when it has stood still for as long as patience. Stop it.
func startDeadman(patience time.Duration) (*deadman, error) {
	// struct sigevent of the kernel's interface: 64 bytes, whatever the machine.
	type sigevent struct {
		value  uintptr
		signal int32
		notify int32 // 0: SIGEV_SIGNAL, to the process
		_      [64 - 8 - unsafe.Sizeof(uintptr(0))]byte
	}
	d := &deadman{patience: patience, changed: make(chan struct{}, 1), stopped: make(chan struct{})}
	event := sigevent{signal: int32(unix.SIGKILL)}
	_, _, errno := unix.RawSyscall(unix.SYS_TIMER_CREATE, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&d.timer)))
	if errno != 0 {
		return nil, fmt.Errorf("make a timer that ends this process when it is stopped: %w", errno)
	}
	if err := d.set(patience); err != nil {
		return nil, err
	}
	d.beats.Go(d.beat)
	return d, nil
}

// allow changes how long the process may stand still.
func (d *deadman) allow(patience time.Duration) {
	d.mu.Lock()
	d.patience = patience
	d.mu.Unlock()
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// set lets the timer run from now on; zero halts it.
func (d *deadman) set(patience time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(patience.Nanoseconds())}
	if _, _, errno := unix.RawSyscall6(unix.SYS_TIMER_SETTIME, uintptr(d.timer), 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("set a timer that ends this process when it is stopped: %w", errno)
	}
	return nil
}

// beat puts the end off until stop is called.
func (d *deadman) beat() {
	const parts = 8 // of the patience: so often there is a sign of life
	for {
		d.mu.Lock()
		patience := d.patience
		d.mu.Unlock()
		_ = d.set(patience) // what worked once does so again
		next := time.NewTimer(min(patience/parts, time.Second))
		select {
		case <-next.C:
		case <-d.changed:
			next.Stop()
		case <-d.stopped:
			next.Stop()
			_ = d.set(0)
			return
		}
	}
}

func (d *deadman) stop() {
	close(d.stopped)
	d.beats.Wait()
	_, _, _ = unix.RawSyscall(unix.SYS_TIMER_DELETE, uintptr(d.timer), 0, 0) // it ends with the process if not here
}
