package topology_test

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/topology"
)

var rewrite = flag.Bool("rewrite", false, "write what is drawn to testdata")

// workers are some on each host.
func workers(hosts, each int) (all []topology.Member) {
	for h := range hosts {
		for range each {
			all = append(all, topology.Member{Name: fmt.Sprint("worker/", len(all)), Host: fmt.Sprint("host", h+1)})
		}
	}
	return all
}

// wheel links everyone with the next and the one behind that, and with the one before: some are linked in both directions.
func wheel(members []topology.Member) (edges []topology.Edge) {
	n := len(members)
	for i := range members {
		edges = append(edges, topology.Edge{From: i, To: (i + 1) % n}, topology.Edge{From: i, To: (i + 2) % n}, topology.Edge{From: i, To: (i + n - 1) % n})
	}
	return edges
}

// diamond has two ways from the first to the last.
func diamond([]topology.Member) []topology.Edge {
	return []topology.Edge{{From: 0, To: 1}, {From: 0, To: 2}, {From: 1, To: 3}, {From: 2, To: 3}}
}

func TestPictures(t *testing.T) {
	alone := []topology.Member{{Name: `<"a">`}, {Name: `b\`, Host: "h&h"}, {Name: "c"}}
	for name, c := range map[string]struct {
		kind    topology.Kind
		members []topology.Member
	}{
		"star":     {topology.Star(), workers(6, 1)},
		"star2":    {topology.Star(), workers(4, 3)},
		"tree":     {topology.Tree(2), workers(7, 1)},
		"tree3":    {topology.Tree(3), workers(9, 2)},
		"tree9":    {topology.Tree(9), workers(16, 2)},
		"chain":    {topology.Chain(), workers(11, 1)},
		"ring":     {topology.Ring(), workers(5, 2)},
		"net":      {topology.Net(), workers(5, 1)},
		"one":      {topology.Net(), workers(1, 1)},
		"hostless": {topology.Tree(2), alone},
		"wheel":    {topology.Own("wheel", wheel), workers(6, 1)},
		"diamond":  {topology.Own("diamond", diamond), workers(4, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := topology.New(c.kind, c.members)
			require.NoError(t, err)
			for ending, drawn := range map[string]string{"txt": s.String(), "dot": s.DOT(), "svg": s.SVG()} {
				file := filepath.Join("testdata", name+"."+ending)
				if *rewrite {
					require.NoError(t, os.WriteFile(file, []byte(drawn), 0o644))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err)
				require.Equal(t, string(want), drawn, "look at it and run the test with -rewrite")
			}
		})
	}
}

// An SVG is XML, whatever members are called, and all boxes are on the page.
func FuzzSVG(f *testing.F) {
	f.Add(`<"a">&`, "h'", uint8(0))
	f.Add("ä", "]]>", uint8(5))
	f.Fuzz(func(t *testing.T, name, host string, kind uint8) {
		s, err := topology.New(kinds[int(kind)%len(kinds)].kind, []topology.Member{{name, host}, {name + "1", host}, {name + "2", "other"}})
		if err != nil {
			require.ErrorIs(t, err, topology.ErrNoMember) // the empty name
			return
		}
		d := xml.NewDecoder(strings.NewReader(s.SVG()))
		page := map[string]float64{}
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			start, _ := token.(xml.StartElement)
			at := map[string]float64{}
			for _, a := range start.Attr {
				if n, err := strconv.ParseFloat(a.Value, 64); err == nil {
					at[a.Name.Local] = n
				}
			}
			switch start.Name.Local {
			case "svg":
				page = at
			case "rect":
				require.GreaterOrEqual(t, min(at["x"], at["y"]), 0.0)
				require.LessOrEqual(t, at["x"]+at["width"], page["width"])
				require.LessOrEqual(t, at["y"]+at["height"], page["height"])
			}
		}
		require.Equal(t, 1, strings.Count(s.DOT(), "digraph"))
	})
}
