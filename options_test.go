package tlaunch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Main adds what it shows to what a script has asked for.
func TestProgressIsForAllWhoAsk(t *testing.T) {
	var heard []string
	hear := func(who string) Option {
		return OnProgress(func(p Progress) { heard = append(heard, who+p.Host) })
	}
	newSettings([]Option{hear("a "), OnProgress(nil), hear("b ")}).progress(Progress{Host: "host1"})
	require.Equal(t, []string{"a host1", "b host1"}, heard)
	require.Nil(t, newSettings([]Option{OnProgress(nil)}).progress)
}
