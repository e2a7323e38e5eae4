package tlaunch

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

// upDisplay shows how hosts come up: a bar on a terminal, plain lines elsewhere.
type upDisplay struct {
	w     io.Writer
	began time.Time
	bars  *mpb.Progress // nil where w is no terminal
	bar   *mpb.Bar

	mu     sync.Mutex
	stage  map[string]bootstrap.Stage
	sent   map[string]int64
	total  map[string]int64
	closed bool
}

// order is the stages that are counted, as they follow each other.
var order = []bootstrap.Stage{bootstrap.StageConnected, bootstrap.StageStarted, StageRegistered, StageRunning}

// rank is how many stages of order a host has behind it.
var rank = map[bootstrap.Stage]int{
	bootstrap.StageConnected: 1, bootstrap.StageShipping: 1, bootstrap.StageStarted: 2, StageRegistered: 3, StageRunning: 4,
}

func newUpDisplay(w io.Writer) *upDisplay {
	d := &upDisplay{
		w: w, began: time.Now(),
		stage: map[string]bootstrap.Stage{}, sent: map[string]int64{}, total: map[string]int64{},
	}
	if isTerminal(w) {
		d.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(40), mpb.WithRefreshRate(100*time.Millisecond))
		d.bar = d.bars.AddBar(0, mpb.BarRemoveOnComplete(),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return " " + d.text() })))
	}
	return d
}

func (d *upDisplay) event(e Progress) {
	d.mu.Lock()
	before := d.stage[e.Host]
	d.stage[e.Host] = e.Stage
	if e.Stage == bootstrap.StageShipping {
		d.sent[e.Host], d.total[e.Host] = e.Sent, e.Total
	}
	hosts, steps, closed := len(d.stage), 0, d.closed
	for _, s := range d.stage {
		steps += rank[s]
	}
	d.mu.Unlock()
	switch {
	case closed:
	case d.bar != nil:
		d.bar.SetTotal(int64(hosts*len(order)), false)
		d.bar.SetCurrent(int64(steps))
	case before == e.Stage || e.Stage == bootstrap.StageConnecting || e.Stage == StageRunning:
	case e.Stage == bootstrap.StageShipping:
		fmt.Fprintf(d.w, "%s: shipping % .1f\n", e.Host, decor.SizeB1024(e.Total))
	default:
		fmt.Fprintf(d.w, "%s: %s\n", e.Host, e.Stage)
	}
}

// text says how many hosts have come how far.
func (d *upDisplay) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	parts := []string{counted(len(d.stage), "host")}
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
		parts = append(parts, fmt.Sprintf("% .1f of % .1f shipped", decor.SizeB1024(sent), decor.SizeB1024(total)))
	}
	return strings.Join(parts, ", ")
}

// Write prints lines of others without disturbing the bar.
func (d *upDisplay) Write(b []byte) (int, error) {
	d.mu.Lock()
	closed := d.closed
	d.mu.Unlock()
	if d.bars == nil || closed {
		return d.w.Write(b)
	}
	return d.bars.Write(b)
}

// close ends the display with a line that says how long it took.
func (d *upDisplay) close() {
	d.mu.Lock()
	closed := d.closed
	d.closed = true
	up := 0
	for _, s := range d.stage {
		if s == StageRunning {
			up++
		}
	}
	d.mu.Unlock()
	if closed {
		return
	}
	if d.bars != nil {
		d.bar.Abort(true)
		d.bars.Wait()
	}
	if up > 0 {
		verb := "are"
		if up == 1 {
			verb = "is"
		}
		fmt.Fprintf(d.w, "%s %s up after %v\n", counted(up, "host"), verb, time.Since(d.began).Round(10*time.Millisecond))
	}
}
