package tlaunch

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

// upDisplay shows how hosts come up: one line that changes on a terminal,
// plain lines elsewhere.
type upDisplay struct {
	w        io.Writer
	terminal bool

	mu      sync.Mutex
	began   time.Time
	stage   map[string]bootstrap.Stage
	sent    map[string]int64
	total   map[string]int64
	shown   bool // the line is on the screen
	painted time.Time
	closed  bool
}

func newUpDisplay(w io.Writer) *upDisplay {
	return &upDisplay{
		w: w, terminal: isTerminal(w), began: time.Now(),
		stage: map[string]bootstrap.Stage{}, sent: map[string]int64{}, total: map[string]int64{},
	}
}

// repaint is how often the line changes at most.
const repaint = 50 * time.Millisecond

func (d *upDisplay) event(e Progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.stage[e.Host]
	d.stage[e.Host] = e.Stage
	if e.Stage == bootstrap.StageShipping {
		d.sent[e.Host], d.total[e.Host] = e.Sent, e.Total
	}
	switch {
	case d.closed:
	case d.terminal:
		if before != e.Stage || time.Since(d.painted) > repaint {
			d.paintLocked()
		}
	case before == e.Stage || e.Stage == bootstrap.StageConnecting || e.Stage == StageRunning:
	case e.Stage == bootstrap.StageShipping:
		fmt.Fprintf(d.w, "%s: shipping %s\n", e.Host, bytesText(e.Total))
	default:
		fmt.Fprintf(d.w, "%s: %s\n", e.Host, e.Stage)
	}
}

func (d *upDisplay) paintLocked() {
	order := []bootstrap.Stage{bootstrap.StageConnected, bootstrap.StageStarted, StageRegistered}
	rank := map[bootstrap.Stage]int{bootstrap.StageConnected: 1, bootstrap.StageShipping: 1, bootstrap.StageStarted: 2, StageRegistered: 3, StageRunning: 3}
	var parts []string
	for i, s := range order {
		n := 0
		for _, at := range d.stage {
			if rank[at] > i {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	var sent, total int64
	for h, t := range d.total {
		sent, total = sent+d.sent[h], total+t
	}
	if total > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s shipped", bytesText(sent), bytesText(total)))
	}
	fmt.Fprintf(d.w, "\r\x1b[K%d hosts: %s", len(d.stage), strings.Join(parts, ", "))
	d.shown, d.painted = true, time.Now()
}

// clear takes the line off the screen, so that another can be printed.
func (d *upDisplay) clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clearLocked()
}

func (d *upDisplay) clearLocked() {
	if d.shown {
		fmt.Fprint(d.w, "\r\x1b[K")
		d.shown = false
	}
}

// close ends the display with a line that says how long it took.
func (d *upDisplay) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.clearLocked()
	up := 0
	for _, s := range d.stage {
		if s == StageRunning {
			up++
		}
	}
	if up > 0 {
		fmt.Fprintf(d.w, "%d hosts are up after %v\n", up, time.Since(d.began).Round(10*time.Millisecond))
	}
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
