package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go"
)

func TestUsageListsTheCommands(t *testing.T) {
	for _, args := range [][]string{nil, {"nonsense"}, {"-help"}} {
		var out, errs bytes.Buffer
		require.Equal(t, tlaunch.StatusUsage, run(t.Context(), args, strings.NewReader(""), &out, &errs))
		require.Empty(t, out.String())
		require.Contains(t, errs.String(), "  launch\t")
		require.Contains(t, errs.String(), "  mailbox\t")
		require.Contains(t, errs.String(), "  transmit\t")
	}
}

func TestArgumentsGoToTheCommand(t *testing.T) {
	var out, errs bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"launch", "-help"}, strings.NewReader(""), &out, &errs))
	require.Contains(t, errs.String(), "-inventory FILE")
}
