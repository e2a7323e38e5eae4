package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/internal/chart"
)

// plot draws the returns in the board's lines as they come.
type plot struct {
	file *string // empty: it draws nothing

	mu     sync.Mutex
	series []chart.Series
	failed bool
}

// record takes what a node has logged.
func (p *plot) record(r tlaunch.Record) {
	if *p.file == "" || r.Text != "progress" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	numbers := map[string]float64{}
	for _, a := range r.Attrs {
		if v, err := strconv.ParseFloat(a.Value, 64); err == nil {
			numbers[a.Key] = v
		}
	}
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
