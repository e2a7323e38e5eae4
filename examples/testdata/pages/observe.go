package observe

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
)

type Counter struct{}

type Asker struct{ counter actor.Ref[*Counter] }

type printer struct{ sdktrace.SpanExporter }

// fragment: // setUp is asked in each process of a run.
