package record

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/output"
)

// throttle is a launcher that takes so many bytes in a second.
type throttle struct {
	bytes.Buffer
	rate int
}

func (w *throttle) Write(b []byte) (int, error) {
	time.Sleep(time.Duration(len(b)) * time.Second / time.Duration(w.rate))
	return w.Buffer.Write(b)
}

// account checks that of each node what came and what was declared missing is what was written, and returns how many lines were missing.
func account(t *testing.T, records []line, written map[string][]string) (missing int) {
	t.Helper()
	at := map[string]uint64{}
	for i, r := range records {
		require.EqualValues(t, i+1, r.Seq)
		switch r.Stream {
		case Agent:
			require.Zero(t, r.NodeSeq)
			continue
		case Gap:
			require.Equal(t, at[r.Node]+r.Missing.Lines, r.NodeSeq, "a gap is where lines are missing")
			var size int
			for _, text := range written[r.Node][at[r.Node]:r.NodeSeq] {
				size += len(text)
			}
			if r.Node == "" { // log records are counted as they travel
				require.EqualValues(t, size, r.Missing.Bytes)
			}
			missing += int(r.Missing.Lines)
		default:
			require.Equal(t, at[r.Node]+1, r.NodeSeq)
			require.True(t, written[r.Node][at[r.Node]] == r.Text, "line %d", r.NodeSeq)
		}
		at[r.Node] = r.NodeSeq
	}
	for node, texts := range written {
		require.Len(t, texts, int(at[node]), "node %q", node)
	}
	return missing
}

// Writers with bursts and pauses, a launcher that is fast or slow, lines of all lengths: received and declared is written.
func TestReceivedAndDeclaredIsWritten(t *testing.T) {
	for name, c := range map[string]struct {
		rate     int64
		patience time.Duration
		launcher int // bytes per second
		missing  bool
		within   time.Duration // in which the writers must be done
	}{
		"everything fits":       {100 << 20, time.Minute, 100 << 20, false, time.Hour},
		"over the rate":         {256 << 10, time.Minute, 100 << 20, true, 30 * time.Second},
		"far over the rate":     {1 << 10, time.Minute, 100 << 20, true, 30 * time.Second},
		"a slow launcher":       {-1, -1, 64 << 10, false, time.Hour},
		"one that slows down":   {0, 10 * time.Second, 256 << 10, false, time.Hour},
		"one that hardly moves": {0, 2 * time.Second, 1 << 10, true, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const seed = 11
				out := &throttle{rate: c.launcher}
				r := New(out, c.rate, c.patience)
				began := time.Now()
				written := make([]map[string][]string, 2)
				for i, random := range []*rand.Rand{rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))} {
					written[i] = map[string][]string{}
					in, to := io.Pipe()
					if i == 0 {
						go func() { // ends with its reader's pipe
							for n := range 3000 {
								size := random.IntN(300)
								if random.IntN(500) == 0 {
									size = random.IntN(1 << 20)
								}
								text := fmt.Sprint(n, " ", strings.Repeat("x", size))
								written[i][""] = append(written[i][""], text)
								_, _ = io.WriteString(to, text+"\n")
								if random.IntN(200) == 0 {
									time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
								}
							}
							_ = to.Close()
						}()
						r.ReadLines(Stdout, in)
						continue
					}
					log := slog.New(NewHandler(NewPipe(to)))
					go func() {
						for n := range 3000 {
							node := fmt.Sprintf("x/%d", random.IntN(3))
							text := fmt.Sprint(n, " ", strings.Repeat("y", random.IntN(300)))
							written[i][node] = append(written[i][node], text)
							log.Info(text, NodeKey, node)
							if random.IntN(200) == 0 {
								time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
							}
						}
						_ = to.Close()
					}()
					r.ReadLogs(in)
				}
				require.LessOrEqual(t, time.Since(began), c.within)
				r.Say(slog.LevelInfo, "that is all")
				r.Finish(nil)
				all := map[string][]string{}
				for _, w := range written {
					for node, texts := range w {
						all[node] = texts
					}
				}
				records := recordsIn(t, &out.Buffer)
				missing := account(t, records, all)
				require.Equal(t, c.missing, missing > 0, "%d are missing", missing)
				for node, texts := range all {
					for i := range records {
						if r := records[len(records)-1-i]; r.Node == node && r.Stream != Agent {
							require.Equal(t, texts[len(texts)-1], r.Text, "the last line of %q came", node)
							break
						}
					}
				}
			})
		})
	}
}

// sent is what a recorder has sent so far.
type sent struct{ output.Buffer }

func (s *sent) records(t *testing.T) []line {
	t.Helper()
	return recordsIn(t, bytes.NewBufferString(s.String()))
}

// A gap is declared although nothing more is written.
func TestGapsAreDeclaredInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sent{}
		r := New(out, 10_000, time.Minute)
		r.ReadLines(Stdout, strings.NewReader(strings.Repeat(strings.Repeat("x", 999)+"\n", 200)))
		synctest.Wait()
		before := len(out.records(t))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		records := out.records(t)
		require.Equal(t, Gap, records[before].Stream)
		require.EqualValues(t, 200, records[len(records)-1].NodeSeq)
		require.Regexp(t, `^\d+ lines \(\d+ bytes\) missing here`, records[before].Text)
		r.Finish(nil)
	})
}

// A line under way is not mixed with the lines before it that were kept, whatever another stream does meanwhile, or the timer.
func TestNothingComesBetweenThePiecesOfALine(t *testing.T) {
	for name, meanwhile := range map[string]func(*Recorder){
		"nothing":             func(*Recorder) {},
		"a line of the other": func(r *Recorder) { r.add(Piece{Stream: Stderr, Data: []byte("other")}) },
		"the timer":           func(*Recorder) { time.Sleep(2 * declareAfter) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := &sent{}
				r := New(out, 10_000, time.Minute)
				var want []string
				for i := range 60 {
					text := fmt.Sprintf("%d %s", i, strings.Repeat("x", 990))
					want = append(want, text)
					r.add(Piece{Stream: Stdout, Data: []byte(text)})
				}
				time.Sleep(declareAfter - time.Millisecond)
				r.ration.gather(time.Now())
				r.ration.short = false // there is room, and the gap is not yet declared
				r.add(Piece{Stream: Stdout, More: true, Data: []byte("begun ")})
				meanwhile(r)
				r.add(Piece{Stream: Stdout, Data: []byte("ended")})
				want = append(want, "begun ended")
				r.Finish(nil)
				gaps := 0
				for _, l := range out.records(t) {
					switch l.Stream {
					case Gap:
						gaps++
					case Stdout:
						number, _, numbered := strings.Cut(l.Text, " ")
						if numbered && number != "begun" {
							require.Contains(t, want, l.Text, "whole")
						} else {
							require.Equal(t, "begun ended", l.Text)
						}
					}
				}
				require.Equal(t, 1, gaps)
			})
		})
	}
}

func TestManyNamesOfNodes(t *testing.T) {
	var out bytes.Buffer
	r := New(&out, 0, -1)
	for i := range maxNumbered + 10 {
		r.add(Piece{Stream: Stdout, Node: fmt.Sprint(i), Data: []byte("x")})
	}
	r.Finish(nil)
	require.LessOrEqual(t, len(r.numbers), maxNumbered+1)
	records := recordsIn(t, &out)
	require.EqualValues(t, 10, records[len(records)-1].NodeSeq, "they are numbered together")
}

func TestGapText(t *testing.T) {
	require.Equal(t, "1 line (7 bytes) missing here: more was written than the launcher lets through or could take", Missing{Lines: 1, Bytes: 7}.Text())
}
