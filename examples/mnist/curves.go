package main

import (
	"fmt"
	"os"
	"sync"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/examples/internal/plot"
	"github.com/tartrl/tlaunch-go/internal/chart"
)

// curves draws what the run logs of its loss and accuracy, anew each time that there is another accuracy. It lives in the launcher.
type curves struct {
	path string // empty: nobody wants to see them

	mu             sync.Mutex
	loss, accuracy chart.Series
	failed         bool
}

// open takes the file's path, before anything is started.
func (c *curves) open(path string) error {
	c.path = path
	return c.write()
}

func (c *curves) write() error {
	loss, accuracy := c.loss, c.accuracy
	loss.Name, accuracy.Name, accuracy.Dots = fmt.Sprintf("mean over %d steps", reportEvery), "images to test with", true
	return os.WriteFile(c.path, []byte(chart.SVG(
		chart.Chart{Title: "Loss", X: chart.Axis{Label: "step", Zero: true}, Y: chart.Axis{Label: "cross entropy", Zero: true}, Series: []chart.Series{loss}},
		chart.Chart{Title: "Accuracy", X: chart.Axis{Label: "step", Zero: true}, Y: chart.Axis{Label: "share that is right"}, Series: []chart.Series{accuracy}},
	)), 0o644)
}

// add takes a record of the run.
func (c *curves) add(r tlaunch.Record) {
	if c.path == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Text {
	case "training":
		point(&c.loss, r, "loss")
	case "tested":
		point(&c.accuracy, r, "accuracy")
		if err := c.write(); err != nil && !c.failed {
			c.failed = true
			fmt.Fprintln(os.Stderr, "no picture:", err)
		}
	}
}

// point adds what a record says of a value to a line.
func point(s *chart.Series, r tlaunch.Record, name string) {
	numbers := plot.Numbers(r)
	s.X, s.Y = append(s.X, numbers["step"]), append(s.Y, numbers[name])
}
