package mailbox

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFlags(t *testing.T) {
	var said bytes.Buffer
	c, err := parse(nil, &said)
	require.NoError(t, err)
	require.Equal(t, config{cases: contests, rounds: 5, duration: time.Second, full: true}, c)

	c, err = parse(strings.Fields("-rounds 7 -duration 50ms -json -profiles p -cases call/16/tls,tell/1024"), &said)
	require.NoError(t, err)
	require.Empty(t, said.String())
	require.Equal(t, []string{"call/16/tls", "tell/1024"}, caseNames(c.cases))
	c.cases = nil
	require.Equal(t, config{rounds: 7, duration: 50 * time.Millisecond, json: true, profiles: "p", named: true}, c)
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	for args, want := range map[string]string{
		"8":                       `"8" is no flag`,
		"-rounds 0":               "-rounds must be at least 1",
		"-duration -1s":           "-duration must be more than 0",
		"-cases tell/16,shout/16": "-cases shout/16: of tell/16, ",
	} {
		t.Run(args, func(t *testing.T) {
			var said bytes.Buffer
			_, err := parse(strings.Fields(args), &said)
			require.ErrorContains(t, err, want)
			require.Contains(t, said.String(), want)
		})
	}
}
