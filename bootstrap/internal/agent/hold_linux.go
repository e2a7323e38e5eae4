package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/hold"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/internal/oom"
)

// heldBy says how a worker and its descendants are kept from outliving the host's part in the run.
const (
	heldByNamespace = "PID namespace"
	heldByUser      = "PID namespace, in a user namespace"
	heldByReapers   = "two subreapers and marks"
)

// ward is a worker with all that it has started. An init stands between: see package hold.
type ward struct {
	how       string
	namespace bool
	init      *exec.Cmd
	words     *os.File        // what the init says
	beats     *os.File        // what it listens for
	ended     chan struct{}   // the agent's
	reaped    chan struct{}   // closed when the init has been waited for
	status    talk.ExitReport // valid once ended
	told      bool            // status is the init's word
	memory    *oom.Watch
	killed    atomic.Bool // by us
}

// startWard starts the worker: what cmd says, with an init in between. The first way to hold it that the host permits is taken.
// onFirst has something done on the thread that lasts as long as the process: an init in a namespace dies with the one that has started it. When the worker has ended, and how is known, ended is closed.
func startWard(cmd exec.Cmd, onFirst func(func()), patience time.Duration, ended chan struct{}) (*ward, error) {
	if err := hold.BecomeReaper(); err != nil {
		return nil, fmt.Errorf("become the reaper of the worker's children: %w", err)
	}
	var refused []string
	for _, how := range waysToHold(os.Geteuid(), os.Getenv(talk.NamespaceVariable)) {
		w, err := tryWard(cmd, how, onFirst, patience, ended)
		if err == nil {
			if len(refused) > 0 {
				w.how += " (" + strings.Join(refused, "; ") + ")"
			}
			return w, nil
		}
		if how == heldByReapers {
			return nil, fmt.Errorf("start the worker: %w", err)
		}
		refused = append(refused, fmt.Sprintf("no %s: %v", how, err))
	}
	return nil, errors.New("no way to hold the worker")
}

// waysToHold are those to try, the best first. A user namespace changes what programs see: files of others belong to nobody,
// setuid programs have no effect, and ssh rejects its own configuration for its owner. So it is for those who ask for it.
func waysToHold(uid int, setting string) []string {
	switch {
	case setting == talk.NamespacesOff:
		return []string{heldByReapers}
	case uid == 0:
		return []string{heldByNamespace, heldByReapers}
	case setting == talk.NamespacesUser:
		return []string{heldByUser, heldByReapers}
	}
	return []string{heldByReapers}
}

// initAttr is how an init is started: in a session of its own, so that a signal for the agent's group does not reach both.
func initAttr(how string) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	switch how {
	case heldByNamespace:
		attr.Cloneflags = unix.CLONE_NEWPID | unix.CLONE_NEWNS
		attr.Pdeathsig = syscall.SIGKILL
	case heldByUser:
		attr.Cloneflags = unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUSER
		attr.Pdeathsig = syscall.SIGKILL
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN} // to mount /proc
	}
	return attr
}

// tryWard starts the worker in one way.
func tryWard(cmd exec.Cmd, how string, onFirst func(func()), patience time.Duration, ended chan struct{}) (*ward, error) {
	words, sayWords, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer sayWords.Close()
	hearBeats, beats, err := os.Pipe()
	if err != nil {
		_ = words.Close()
		return nil, err
	}
	defer hearBeats.Close()
	w := &ward{
		how: how, namespace: how != heldByReapers, init: &cmd, words: words, beats: beats,
		ended: ended, reaped: make(chan struct{}),
	}
	orders := hold.Orders{Namespace: w.namespace, Patience: patience, FirstPID: os.Getpid(), Worker: talk.RoleWorker}
	w.init.Env = cmd.Env[:len(cmd.Env):len(cmd.Env)]
	name, _, _ := strings.Cut(talk.OneProcessor, "=")
	if !slices.ContainsFunc(cmd.Env, func(v string) bool { return strings.HasPrefix(v, name+"=") }) {
		w.init.Env, orders.Alone = append(w.init.Env, talk.OneProcessor), name // an init has no use for more either
	}
	w.init.Env = append(w.init.Env, talk.Marker+"="+orders.String())
	w.init.ExtraFiles = append(cmd.ExtraFiles[:len(cmd.ExtraFiles):len(cmd.ExtraFiles)], sayWords, hearBeats)
	w.init.SysProcAttr = initAttr(how)
	onFirst(func() { err = w.init.Start() })
	if err != nil {
		_, _ = words.Close(), beats.Close()
		return nil, err
	}
	_ = sayWords.Close()      // so that the init's end is the pipe's
	w.memory = oom.NewWatch() // while the init begins
	if err := w.hearStart(initPatience); err != nil {
		_ = w.init.Process.Kill()
		_ = w.init.Wait() // why it failed is known
		_, _ = words.Close(), beats.Close()
		return nil, err
	}
	go w.await()
	go func() {
		_ = w.init.Wait() // its state matters only where it could not say anything
		close(w.reaped)
	}()
	go w.beat(min(patience/8, time.Second))
	return w, nil
}

// initPatience is how long an init may take to start the worker: it takes milliseconds, and seconds on a machine that has far too much to do.
const initPatience = time.Minute

// hearStart waits until the init has started the worker.
func (w *ward) hearStart(patience time.Duration) error {
	if err := w.words.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	word, err := w.hear()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("its init has not started it within %v", patience)
	case err != nil:
		return fmt.Errorf("its init ended before that: %w", err)
	}
	if err := w.words.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	switch word.Kind {
	case hold.Started:
		return nil
	case hold.Failed:
		return fmt.Errorf("%v: %w", word.Step, word.Errno)
	}
	return hold.ErrWord
}

func (w *ward) hear() (hold.Word, error) {
	b := make([]byte, hold.WordSize)
	if _, err := io.ReadFull(w.words, b); err != nil {
		return hold.Word{}, err
	}
	return hold.ParseWord(b)
}

// await hears how the worker ended. Where the init was killed before it could tell, so was the worker.
func (w *ward) await() {
	defer close(w.ended)
	defer func() { w.status.Memory = w.status.Signal == "SIGKILL" && !w.killed.Load() && w.memory.Killed() }()
	if word, err := w.hear(); err == nil && word.Kind == hold.Ended {
		w.status, w.told = statusOf(word.Status), true
		w.status.MaxRSS = word.MaxRSS
		return
	}
	w.status = statusOf(syscall.WaitStatus(syscall.SIGKILL))
}

// beat tells the init that the agent is well. It ends with the worker.
func (w *ward) beat(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-w.ended:
			return
		case now := <-tick.C:
			w.memory.Tick(now)
			_ = w.beats.SetWriteDeadline(time.Now().Add(every))
			_, _ = w.beats.Write([]byte{0}) // an init that is stopped may have no room for more
		}
	}
}

// kill ends the worker and all that it has started. It may be called while the worker ends.
func (w *ward) kill() {
	w.killed.Store(true)
	if w.namespace {
		_ = w.init.Process.Kill()
		return
	}
	hold.KillDescendants(w.init.Process.Pid)
}

// reap collects orphans that were handed to us. Those of a namespace are its init's, and not looked for.
func (w *ward) reap() {
	if !w.namespace {
		hold.ReapOrphans(w.init.Process.Pid)
	}
}

// finish follows the end of the worker: it ends what the worker has left and says how many processes resist.
func (w *ward) finish() (talk.ExitReport, int) {
	<-w.ended
	left := 0
	if !w.namespace {
		left = hold.KillDescendants(w.init.Process.Pid)
	}
	late := time.NewTimer(hold.KillBound)
	defer late.Stop()
	select {
	case <-w.reaped: // with the init of a namespace, all that was in it
		if usage, ok := w.init.ProcessState.SysUsage().(*syscall.Rusage); ok && !w.told {
			w.status.MaxRSS = maxRSS(usage)
		}
	case <-late.C:
		for _, p := range hold.Descendants(os.Getpid()) {
			if w.namespace && !p.Zombie {
				left++
			}
		}
	}
	_, _ = w.words.Close(), w.beats.Close()
	return w.status, left
}
