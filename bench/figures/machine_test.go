package figures

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMachine(t *testing.T) {
	m := Inspect(t.Context(), ModuleVersion("github.com/nobody/nothing"))
	require.NotEmpty(t, m.Processor)
	require.Positive(t, m.Processors)
	require.NotEmpty(t, m.Commit)
	require.Len(t, m.Versions, 2)
	require.Equal(t, "github.com/nobody/nothing unknown", m.Versions[1])
	require.Equal(t, "no-such-program: unknown", FirstLine(t.Context(), "no-such-program"))
	require.NotEmpty(t, LoadAverage())
	require.Equal(t, `machine: P, 2 processors, S
load averages: 1 before, 2 after; 0.00 would be an idle machine
tlaunch at c; go; x
`, Machine{System: "S", Processor: "P", Processors: 2, Commit: "c", Versions: []string{"go", "x"}}.Describe("1", "2"))
}
