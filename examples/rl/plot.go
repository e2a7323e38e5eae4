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
	file *string // empty: it draws nothing

	mu     sync.Mutex
	series []chart.Series
	failed bool
}

// record takes what a node has logged.
func (p *returns) record(r tlaunch.Record) {
	if *p.file == "" || r.Text != "progress" {
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
	picture := chart.SVG(chart.Chart{
		Title: "Mean return of the last 100 episodes",
		X:     chart.Axis{Label: "seconds", Zero: true}, Y: chart.Axis{Label: "return", Zero: true},
		Series: p.series,
	})
	if err := os.WriteFile(*p.file, []byte(picture), 0o644); err != nil && !p.failed {
		p.failed = true
		fmt.Fprintln(os.Stderr, "-plot:", err)
	}
}
