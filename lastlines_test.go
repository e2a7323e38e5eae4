package tlaunch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

func TestLastLines(t *testing.T) {
	l := newLastLines()
	at := time.Date(2026, 5, 1, 12, 30, 0, 0, time.UTC)
	for i := range 50 {
		l.add(Record{Host: "a", Stream: bootstrap.Stdout, Text: fmt.Sprint(i)})
		l.add(Record{Host: "a", Node: "x/0", Stream: bootstrap.Log, Time: at, Text: "step\nof several", Attrs: []bootstrap.Attr{{Key: "i", Value: fmt.Sprint(i)}}})
	}
	process := l.of(speaker{"a", ""})
	require.Len(t, process, lastCount)
	require.Equal(t, "30", process[0])
	require.Equal(t, "49", process[lastCount-1])
	node := l.of(speaker{"a", "x/0"})
	require.Equal(t, []string{"12:30:00.000 INFO  step i=30", "12:30:00.000 INFO  of several"}, node[:2])
	require.Empty(t, l.of(speaker{"b", ""}))

	for range 10 {
		l.add(Record{Host: "b", Stream: bootstrap.Stdout, Text: strings.Repeat("é", 1<<20)})
	}
	long := l.of(speaker{"b", ""})
	require.Len(t, long, lastBytes/lastWidth-1)
	require.Less(t, len(long[0]), lastWidth+10)
}

func TestLastLinesOfACrash(t *testing.T) {
	l := newLastLines()
	add := func(s bootstrap.Stream, text string) { l.add(Record{Host: "a", Stream: s, Text: text}) }
	add(bootstrap.Stdout, "panic: of the program's own")
	add(bootstrap.Stderr, "panic: out of order")
	add(bootstrap.Stdout, "between")
	for i := range 1000 {
		add(bootstrap.Stderr, fmt.Sprintf("goroutine %d [running]:", i))
	}
	lines := l.of(speaker{"a", ""})
	require.Len(t, lines, lastCount)
	require.Equal(t, []string{"panic: out of order", "goroutine 0 [running]:"}, lines[:2])

	l.anew(speaker{"a", ""})
	add(bootstrap.Stdout, "once more")
	lines = l.of(speaker{"a", ""})
	require.Equal(t, "once more", lines[lastCount-1], "the next life ends otherwise")
	add(bootstrap.Stderr, "panic: again")
	require.Equal(t, []string{"panic: again"}, l.of(speaker{"a", ""}))
}
