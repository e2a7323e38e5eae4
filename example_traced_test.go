package tlaunch_test

import (
	"context"
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
)

// Asker asks a Counter.
type Asker struct{ counter actor.Ref[*Counter] }

func (a *Asker) Run(ctx context.Context) error {
	_, err := actor.Call(ctx, a.counter, (*Counter).Add, 3)
	return err
}

// setUp is asked in each process of a run.
func setUp(process string) (trace.TracerProvider, func(context.Context) error, error) {
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(printer{}), // for a collector: the exporter of otlptracegrpc.New
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "asking"), attribute.String("host.name", process))),
	)
	return provider, provider.Shutdown, nil
}

var asking = tlaunch.Define("asking", func(p *tlaunch.Program, _ struct{}) error {
	counter := tlaunch.Add(p, "counter", &Counter{})
	tlaunch.Add(p, "asker", &Asker{counter})
	return nil
}, tlaunch.Traced(setUp))

// printer is an exporter that prints.
type printer struct{}

func (printer) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	slices.SortFunc(spans, func(a, b sdktrace.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
	for _, s := range spans {
		fmt.Println(s.SpanKind(), s.Name(), "in", s.Resource().Attributes()[0].Value.AsString())
	}
	return nil
}

func (printer) Shutdown(context.Context) error { return nil }

// Each process of a run says with what it makes spans of calls and tells.
func ExampleTraced() {
	run, err := asking.Launch(context.Background(), struct{}{})
	if err == nil {
		err = run.Wait(context.Background())
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// client counter/Add in launcher
	// server counter/Add in launcher
}
