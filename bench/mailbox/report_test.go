package mailbox

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bench/figures"
)

// sample is a report in which each kind of row occurs.
func sampleReport() report {
	return report{
		machine: figures.Machine{System: "S", Processor: "P", Processors: 2, Commit: "c", Versions: []string{"go1.26"}},
		before:  "0.10", after: "0.20", rounds: 3, leftOut: []string{"transfer/1: it needs what is not here"},
		bouts: []*bout{
			{contest: contests[0], contestants: [2]*contestant{
				{who: ours, figures: map[string][]float64{"": {4e6, 6e6, 5e6}}, sent: []float64{1, 1, 1.5}, handled: []float64{0.5, 0.5, 0.5}},
				{who: stock, figures: map[string][]float64{"": {5e5, 4e5, 5e5}}},
			}},
			{contest: contest{payload, 65536, true, tcp, bytesPerSecond, least(0.8)}, contestants: [2]*contestant{
				{who: ours, figures: map[string][]float64{"": {1e9}}, sent: []float64{2}, handled: []float64{3}},
				{who: tcp, figures: map[string][]float64{"": {2e9}}},
			}},
			{contest: contest{callLocal, 16, false, stock, microseconds, []target{{p50, 0, true}}}, contestants: [2]*contestant{
				{who: ours, figures: map[string][]float64{p50: {1.25}}, sent: []float64{3}},
				{who: stock, figures: map[string][]float64{p50: {2.5}}},
			}},
		},
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, sampleReport().writeTable(&b))
	require.Equal(t, `
mailbox: two processes on loopback, or one where it says local; medians of 3 alternating rounds (min to max)

case            bytes  tls  tlaunch                         beside it                                      ours/theirs  target                  allocations: sender  receiver
tell            16          5.000 (4.000 to 6.000) M msg/s  protoactor-go  0.500 (0.400 to 0.500) M msg/s  10.00        at least 10.00: met     1.00                 0.50
payload         65536  yes  1.00 (1.00 to 1.00) GB/s        tcp            2.00 (2.00 to 2.00) GB/s        0.50         at least 0.80: not met  2.00                 3.00
call-local p50  16          1.2 (1.2 to 1.2) µs             protoactor-go  2.5 (2.5 to 2.5) µs             0.50                                 3.00                 0.00
left out: transfer/1: it needs what is not here

machine: P, 2 processors, S
load averages: 0.10 before, 0.20 after; 0.00 would be an idle machine
tlaunch at c; go1.26
`, b.String())
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, sampleReport().writeJSON(&b))
	require.Equal(t, `{"bench":"mailbox","case":"tell","size":16,"tls":false,"value":5000000,"min":4000000,"max":6000000,"unit":"msg/s","sender_allocations":1,"receiver_allocations":0.5,"peer":"protoactor-go","peer_value":500000,"peer_min":400000,"peer_max":500000,"ratio":10}
{"bench":"mailbox","case":"payload","size":65536,"tls":true,"value":1000000000,"min":1000000000,"max":1000000000,"unit":"B/s","sender_allocations":2,"receiver_allocations":3,"peer":"tcp","peer_value":2000000000,"peer_min":2000000000,"peer_max":2000000000,"ratio":0.5}
{"bench":"mailbox","case":"call-local","size":16,"tls":false,"figure":"p50","value":1.25,"min":1.25,"max":1.25,"unit":"µs","sender_allocations":3,"receiver_allocations":0,"peer":"protoactor-go","peer_value":2.5,"peer_min":2.5,"peer_max":2.5,"ratio":0.5}
`, b.String())
}

func TestTargets(t *testing.T) {
	require.True(t, target{bound: 2}.met(2))
	require.False(t, target{bound: 2}.met(1.99))
	require.True(t, target{bound: 2, most: true}.met(2))
	require.False(t, target{bound: 2, most: true}.met(2.01))
	require.Equal(t, "at most 2.00", target{bound: 2, most: true}.String())
	require.Empty(t, target{}.String())
}
