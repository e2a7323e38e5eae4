package tlaunch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/testutil/output"
)

// A spanLine is what a process says of a span when it exports it.
type spanLine struct {
	Process, Kind, Name string
	Trace, Span, Parent string
	Ended               bool // not a span: the process's tracing has ended
}

// spanLog exports spans as lines: in the test's own process to those who listen, in another to its output.
type spanLog struct{ process string }

var spanLines struct {
	sync.Mutex
	listen func(spanLine)
}

func listenToSpans(f func(spanLine)) {
	spanLines.Lock()
	defer spanLines.Unlock()
	spanLines.listen = f
}

func (l spanLog) say(line spanLine) {
	line.Process = l.process
	spanLines.Lock()
	listen := spanLines.listen
	spanLines.Unlock()
	if l.process == launcherName && listen != nil {
		listen(line)
		return
	}
	text, _ := json.Marshal(line)
	fmt.Println("span", string(text))
}

func (l spanLog) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range spans {
		l.say(spanLine{
			Kind: s.SpanKind().String(), Name: s.Name(), Trace: s.SpanContext().TraceID().String(), Span: s.SpanContext().SpanID().String(),
			Parent: s.Parent().SpanID().String(),
		})
	}
	return nil
}

func (l spanLog) Shutdown(context.Context) error {
	l.say(spanLine{Ended: true})
	return nil
}

var tracedProgram = Define("test-traced", func(p *Program, _ starConfig) error {
	one, other := &looker{}, &looker{}
	other.far = Add(p, "first", one, On(p.Hosts()[0]))
	one.far = Add(p, "second", other, On(p.Hosts()[1]))
	return nil
}, LocalHosts(2), Traced(func(process string) (trace.TracerProvider, func(context.Context) error, error) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spanLog{process})) // which would export after 5 s
	return provider, provider.Shutdown, nil
}))

// What a call of a call does in three processes is one trace, and all of it is exported when the run has ended.
func TestOneTraceOverProcesses(t *testing.T) {
	for name, c := range map[string]struct {
		kind      Option
		processes [4]string
	}{
		"in process": {InProcess(nil), [4]string{launcherName, launcherName, launcherName, launcherName}},
		"processes":  {procs, [4]string{launcherName, "host1", "host1", "host2"}},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var ended []string
			spans := map[string]spanLine{}
			note := func(l spanLine) {
				mu.Lock()
				defer mu.Unlock()
				if l.Ended {
					ended = append(ended, l.Process)
					return
				}
				spans[l.Kind+" "+l.Name] = l
			}
			listenToSpans(note)
			t.Cleanup(func() { listenToSpans(nil) })
			run := launched(t, tracedProgram, starConfig{}, c.kind, OnRecord(func(r Record) {
				var l spanLine
				if text, ok := strings.CutPrefix(r.Text, "span "); ok && json.Unmarshal([]byte(text), &l) == nil {
					note(l)
				}
			}))
			first, err := Find[*looker](run, "first", 0)
			require.NoError(t, err)
			ids := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
			_, err = actor.Call0(trace.ContextWithSpanContext(within(t), ids), first, (*looker).Ask)
			require.NoError(t, err)
			if name == "processes" {
				guestInTrace(t, run, ids)
			}
			require.NoError(t, run.Stop(within(t)))
			mu.Lock()
			defer mu.Unlock()
			parent := ids.SpanID().String()
			for i, name := range []string{"client first/Ask", "server first/Ask", "client second/Look", "server second/Look"} {
				s, ok := spans[name]
				require.True(t, ok, name)
				require.Equal(t, c.processes[i], s.Process, name)
				require.Equal(t, ids.TraceID().String(), s.Trace)
				require.Equal(t, parent, s.Parent, name)
				parent = s.Span
			}
			for _, process := range c.processes {
				require.Contains(t, ended, process)
			}
		})
	}
}

// guestInTrace calls a node from a connection that has a tracer of its own.
func guestInTrace(t *testing.T, run *Run, ids trace.SpanContext) {
	t.Helper()
	invitation, err := run.Invite("dashboard", time.Minute)
	require.NoError(t, err)
	recorder := tracetest.NewSpanRecorder()
	c, err := Connect(within(t), invitation, ConnectTracer(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))))
	require.NoError(t, err)
	first, err := Find[*looker](c, "first", 0)
	require.NoError(t, err)
	_, err = actor.Call0(trace.ContextWithSpanContext(within(t), ids), first, (*looker).Look)
	require.NoError(t, err)
	require.NoError(t, c.Close(within(t)))
	require.Len(t, recorder.Ended(), 1)
	require.Equal(t, ids.TraceID(), recorder.Ended()[0].SpanContext().TraceID())
}

var errNoCollector = errors.New("no collector")

var untraceableProgram = Define("test-untraceable", func(p *Program, _ starConfig) error {
	Add(p, "hub", &hub{}, On(p.Hosts()[0]))
	return nil
}, LocalHosts(1), Traced(func(process string) (trace.TracerProvider, func(context.Context) error, error) {
	if process == "host1" {
		return nil, nil, errNoCollector
	}
	return nil, nil, nil // no spans
}))

func TestTracingThatCannotBe(t *testing.T) {
	refused := define(t, "test-refused-tracing", func(p *Program, _ starConfig) error {
		Add(p, "hub", &hub{}, On(p.Hosts()[0]))
		return nil
	}, Traced(func(string) (trace.TracerProvider, func(context.Context) error, error) {
		return nil, nil, errNoCollector
	}))
	for _, kind := range []Option{InProcess(nil), procs} {
		_, err := refused.Launch(within(t), starConfig{}, kind)
		require.ErrorIs(t, err, errNoCollector)
		require.ErrorContains(t, err, "Traced option for launcher")
	}
	_, err := untraceableProgram.Launch(within(t), starConfig{}, procs)
	require.ErrorContains(t, err, "Traced option for host1: no collector")
	require.NoError(t, launched(t, untraceableProgram, starConfig{}, InProcess(nil)).Stop(within(t)))
}

var lossyProgram = Define("test-lossy-tracing", func(p *Program, _ starConfig) error {
	Add(p, "hub", &hub{}, On(p.Hosts()[0]))
	return nil
}, LocalHosts(1), Traced(func(string) (trace.TracerProvider, func(context.Context) error, error) {
	return nil, func(context.Context) error { return errNoCollector }, nil
}))

// A host whose last spans are lost says so, at a level that is seen.
func TestLostSpansAreSaid(t *testing.T) {
	said := newNotes()
	require.NoError(t, launched(t, lossyProgram, starConfig{}, procs, said.option()).Stop(within(t)))
	said.mu.Lock()
	defer said.mu.Unlock()
	require.True(t, slices.ContainsFunc(said.records, func(r Record) bool {
		return r.Host == "host1" && r.Level == slog.LevelWarn && strings.Contains(fmt.Sprint(r.Attrs), errNoCollector.Error())
	}))
}

func TestTracingEnds(t *testing.T) {
	var said output.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	tracing{}.close(t.Context(), log)
	require.Empty(t, said.String())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late := tracing{end: func(ctx context.Context) error {
		require.NoError(t, ctx.Err(), "its time is its own")
		_, timed := ctx.Deadline()
		require.True(t, timed)
		return errNoCollector
	}}
	late.close(gone, log)
	require.Contains(t, said.String(), "level=WARN")
	require.Contains(t, said.String(), errNoCollector.Error())
}
