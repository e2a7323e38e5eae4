package tlaunch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReadClock(t *testing.T) {
	at := func(d time.Duration) int64 { return int64(time.Hour + d) }
	for name, c := range map[string]struct {
		out, work, back, ahead time.Duration
		want                   string
	}{
		"the same":        {time.Millisecond, time.Second, time.Millisecond, 0, "±1ms"},
		"ahead":           {time.Millisecond, time.Second, time.Millisecond, 2100 * time.Millisecond, "+2.1s ±1ms"},
		"behind":          {time.Millisecond, 0, time.Millisecond, -3 * time.Hour, "-3h0m0s ±1ms"},
		"a little":        {10 * time.Microsecond, 0, 10 * time.Microsecond, 250 * time.Microsecond, "+250µs ±10µs"},
		"one way is slow": {0, time.Second, 80 * time.Millisecond, 0, "±40ms"},
	} {
		t.Run(name, func(t *testing.T) {
			r := readClock(at(0), at(c.out+c.ahead), at(c.out+c.work+c.ahead), at(c.out+c.work+c.back))
			require.Equal(t, c.want, r.String())
			require.LessOrEqual(t, (r.Ahead - c.ahead).Abs(), r.Margin, "the truth is within the margin")
		})
	}
}

func TestJudge(t *testing.T) {
	facts := func(change func(*hostFacts)) *hostFacts {
		f := &hostFacts{Free: 10e9, Folder: "/home", Executable: 20e6, OpenFiles: 20000}
		change(f)
		return f
	}
	for name, c := range map[string]struct {
		facts *hostFacts
		clock clockReading
		peers int
		check string // that is not ok
		state CheckState
		value string
		says  string
	}{
		"well":                  {facts: facts(func(*hostFacts) {}), peers: 7},
		"nothing is known":      {facts: &hostFacts{Free: -1}},
		"little room":           {facts: facts(func(f *hostFacts) { f.Free = 80e6 }), check: checkSpace, state: CheckWarn, value: "80 MB", says: "80 MB free at /home; 87 MB would"},
		"within the margin":     {facts: facts(func(*hostFacts) {}), clock: clockReading{3 * time.Second, 2 * time.Second}},
		"ahead":                 {facts: facts(func(*hostFacts) {}), clock: clockReading{3 * time.Second, time.Millisecond}, check: checkClock, state: CheckWarn, value: "+3s ±1ms", says: "+3s"},
		"behind":                {facts: facts(func(*hostFacts) {}), clock: clockReading{-3 * time.Second, time.Millisecond}, check: checkClock, state: CheckWarn, value: "-3s ±1ms", says: "NTP"},
		"few files":             {facts: facts(func(f *hostFacts) { f.OpenFiles = 512 }), peers: 7, check: checkFiles, state: CheckWarn, value: "512", says: "itself may need 62"},
		"few for so many peers": {facts: facts(func(f *hostFacts) { f.OpenFiles = 4096 }), peers: 1023, check: checkFiles, state: CheckWarn, value: "4096", says: "2094"},
		"too few files":         {facts: facts(func(f *hostFacts) { f.OpenFiles = 1024 }), peers: 1000, check: checkFiles, state: CheckFail, value: "1024", says: "needs 2048"},
	} {
		t.Run(name, func(t *testing.T) {
			seen := false
			for _, got := range judge(c.facts, c.clock, c.peers) {
				if got.Name != c.check {
					require.Equal(t, CheckOK, got.State, "%s", got.Name)
					require.Empty(t, got.Problem)
					continue
				}
				seen = true
				require.Equal(t, c.state, got.State)
				require.Equal(t, c.value, got.Value)
				require.Contains(t, got.Problem+"; "+got.Remedy, c.says)
				require.NotEmpty(t, got.Remedy)
			}
			require.Equal(t, c.check != "", seen)
		})
	}
}

func TestBytesText(t *testing.T) {
	for n, want := range map[int64]string{-1: "", 0: "0 B", 999: "999 B", 1500: "1.5 KB", 67_108_864: "67 MB", 2_000_000_000_000_000: "2000 TB"} {
		require.Equal(t, want, bytesText(n))
	}
}
