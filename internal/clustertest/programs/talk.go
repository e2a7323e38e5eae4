package programs

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	tlaunch "github.com/tartrl/tlaunch-go"
)

// TalkConfig is for [Talk].
type TalkConfig struct {
	// PerSecond is how many lines each host writes in a second, and For how long.
	PerSecond int
	For       time.Duration
	// Kill holds the hosts whose process is killed, and when.
	Kill map[string]time.Duration
}

// Where a [Talker] keeps count of what it has written, in its home, and how.
const (
	TalkCount  = "written"
	TalkPrints = 0 // lines, as a big-endian number of 8 bytes at this place of the file
	TalkLogs   = 8 // log records, likewise
)

// Talker writes numbered lines, of which one in ten is a log record, and one
// in each second has a megabyte.
type Talker struct {
	perSecond int
	length    time.Duration
	kill      time.Duration // zero: never
}

// Run writes until its time is over. It counts each line once it is written, in
// a file, which outlives the process.
func (k *Talker) Run(ctx context.Context) error {
	home, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	counts, err := os.Create(filepath.Join(home, TalkCount))
	if err != nil {
		return err
	}
	defer counts.Close()
	if k.kill > 0 {
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		end := time.AfterFunc(k.kill, func() { _ = self.Kill() }) // there is nobody left to tell
		defer end.Stop()
	}
	short, long := strings.Repeat("x", 80), strings.Repeat("y", 1<<20)
	began := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	count := map[int64]uint64{}
	for n := 0; time.Since(began) < k.length; {
		for due := int(time.Since(began).Seconds() * float64(k.perSecond)); n < due && ctx.Err() == nil; n++ {
			at := int64(TalkPrints)
			if n%10 == 9 {
				at = TalkLogs
			}
			count[at]++
			switch {
			case at == TalkLogs:
				slog.InfoContext(ctx, fmt.Sprint(count[at], " ", short))
			case n%k.perSecond == k.perSecond/2: // of a number that prints
				_, err = fmt.Println(count[at], long)
			default:
				_, err = fmt.Println(count[at], short)
			}
			if err == nil {
				_, err = counts.WriteAt(binary.BigEndian.AppendUint64(nil, count[at]), at)
			}
			if err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Talk has a talker on each host.
var Talk = tlaunch.Define("talk", func(p *tlaunch.Program, cfg TalkConfig) error {
	for _, h := range p.Hosts() {
		tlaunch.Add(p, "talker", &Talker{cfg.PerSecond, cfg.For, cfg.Kill[h.Name]}, tlaunch.On(h))
	}
	return nil
})
