package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

// Leftovers are what is on a host of runs that are over there.
type Leftovers struct {
	// Found are processes and work folders, processes first, each sorted by mark and age.
	Found []Leftover
	// Running are the marks of runs that go on there, of this user and, for root, of others. Nothing of theirs is ever touched.
	Running []Mark
}

// Own counts what is still there and could be ended by this user.
func (l Leftovers) Own() int {
	n := 0
	for _, f := range l.Found {
		if !f.Ended && !f.Foreign {
			n++
		}
	}
	return n
}

// Leftover is a process, or a work folder, of a run whose agent on the host is gone.
type Leftover struct {
	Mark    Mark          // whose it is; zero for a folder whose claim was lost
	PID     int           // the process; 0: it is a work folder
	Path    string        // the work folder, or empty
	Command string        // the process's command line, at most 256 bytes
	User    string        // name, or number where it has none
	Age     time.Duration // since the start of the process, since the making of the folder
	Foreign bool          // it is another user's, and not ours to end
	Ended   bool          // it was there, and is gone now
	Problem string        // why it is still there although it was to be ended, or empty
}

// CleanOptions say what [Launcher.Clean] does. The zero value looks for left-overs of all runs.
type CleanOptions struct {
	// End ends what is found: processes with SIGTERM and after [LeaseNotice] with SIGKILL, then folders are removed.
	End bool

	// Run is the run whose left-overs are meant; empty: all.
	Run string
}

// Clean looks on h for processes and work folders of runs that are over there: processes with a mark ([Mark]) whose agent is
// gone, and folders whose claim nobody holds.
//
// A run goes on, and nothing of it is touched, while its agent lives, with a link or without. What belongs to other users is
// listed as far as this user may see it, which is nothing unless it is root, and is not ended. Processes that have wiped their
// environment are not found. On macOS only folders are.
//
// The executable that looks is [Config].Binary, brought to the host as for a launch. Errors are [*HostError] or the context's cause.
func (l *Launcher) Clean(ctx context.Context, h inventory.Host, opts CleanOptions) (Leftovers, error) {
	ctx, done, err := l.enter(ctx)
	if err != nil {
		return Leftovers{}, err
	}
	defer done()
	link, err := l.starter.start(ctx, h, part{role: talk.RoleClean, mark: os.Getenv(talk.MarkVariable)})
	if err != nil {
		return Leftovers{}, err
	}
	orders := talk.CleanOrders{Bases: link.bases, End: opts.End}
	if opts.Run != "" {
		orders.Run = talk.MarkName(opts.Run)
	}
	report, err := askCleaner(ctx, link, l.cfg.HelloTimeout, orders)
	if err != nil {
		return Leftovers{}, hostFailure(ctx, h, "clean", err)
	}
	left := Leftovers{Running: report.Running}
	for _, f := range report.Found {
		left.Found = append(left.Found, Leftover(f))
	}
	return left, nil
}

// askCleaner talks with a cleaner at the other end of l, which it owns.
func askCleaner(ctx context.Context, l *link, patience time.Duration, orders talk.CleanOrders) (talk.CleanReport, error) {
	stop := context.AfterFunc(ctx, l.kill)
	var noise lastNoise
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(&noise, l.err) }) // ends with the link
	report, err := func() (report talk.CleanReport, err error) {
		in, err := l.greet(ctx, patience, func(line string) { _, _ = noise.Write([]byte(line + "\n")) })
		if err != nil {
			return report, err
		}
		if err := talk.WriteMessage(l.in, talk.FrameClean, orders); err != nil {
			return report, err
		}
		err = talk.ReadMessage(in, talk.MaxEnvelope, talk.FrameCleaned, &report)
		return report, err
	}()
	if err != nil {
		l.kill()
	}
	held := time.AfterFunc(time.Second, func() { // what start files have left behind may hold the session open, and standard error
		l.cut()
		_ = l.err.Close()
	})
	status := l.wait()
	stop()
	reading.Wait()
	held.Stop()
	l.release()
	if last := noise.last(); err != nil && last != "" {
		err = fmt.Errorf("%w; its last line was %q", err, last)
	}
	if err != nil {
		return talk.CleanReport{}, errors.Join(err, status)
	}
	return report, nil
}

// lastNoise keeps the end of what a host prints beside the protocol. It is safe for concurrent use.
type lastNoise struct {
	mu   sync.Mutex
	kept []byte
}

func (n *lastNoise) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.kept = append(n.kept, b...)
	n.kept = append([]byte(nil), n.kept[max(0, len(n.kept)-maxLastLine):]...)
	return len(b), nil
}

// last returns the last line.
func (n *lastNoise) last() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(n.kept), []byte("\n"))
	return string(lines[len(lines)-1])
}
