package main

import (
	"fmt"
	"os"
	"sync"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/examples/internal/plot"
	"github.com/tartrl/tlaunch-go/internal/chart"
)

// returns draws the returns in the board's lines as they come.
type returns struct {
	path string // empty: it draws nothing

	mu     sync.Mutex
	series []chart.Series
	failed bool
}

// open takes the file's path, before anything is started.
func (p *returns) open(path string) error {
	p.path = path
	return p.write()
}

func (p *returns) write() error {
	return os.WriteFile(p.path, []byte(chart.SVG(chart.Chart{
		Title: "Mean return of the last 100 episodes",
		X:     chart.Axis{Label: "seconds", Zero: true}, Y: chart.Axis{Label: "return", Zero: true},
		Series: p.series,
	})), 0o644)
}

// record takes what a node has logged.
func (p *returns) record(r tlaunch.Record) {
	if p.path == "" || r.Text != "progress" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	numbers := plot.Numbers(r)
	for i, group := range []string{"actors", "greedy"} {
		if len(p.series) <= i {
			p.series = append(p.series, chart.Series{Name: []string{"actors, exploring", "newest weights"}[i]})
		}
		if v, ok := numbers[group]; ok {
			p.series[i].X, p.series[i].Y = append(p.series[i].X, numbers["seconds"]), append(p.series[i].Y, v)
		}
	}
	if err := p.write(); err != nil && !p.failed {
		p.failed = true
		fmt.Fprintln(os.Stderr, "-plot:", err)
	}
}
