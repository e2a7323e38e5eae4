package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap"
	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

// The test binary is what is brought to hosts.
func TestMain(m *testing.M) {
	bootstrap.Enter()
	leak.Main(m)
}

// tlaunch runs the command and returns its status and what it printed.
func tlaunch(args ...string) (status int, stdout, stderr string) {
	var out, err strings.Builder
	status = run(args, &out, &err)
	return status, out.String(), err.String()
}

func TestUsage(t *testing.T) {
	for name, c := range map[string]struct {
		args           []string
		status         int
		stdout, stderr string
	}{
		"nothing":       {nil, statusUsage, "", "tlaunch clean"},
		"help":          {[]string{"help"}, statusClean, "list what earlier runs have left", ""},
		"-help":         {[]string{"-help"}, statusClean, "list what earlier runs have left", ""},
		"clean -help":   {[]string{"clean", "-help"}, statusClean, "-ssh-config file", ""},
		"command":       {[]string{"tidy"}, statusUsage, "", `there is no command "tidy"`},
		"flag":          {[]string{"clean", "-all"}, statusUsage, "", "tlaunch: flag provided but not defined: -all; -help lists the flags\n"},
		"argument":      {[]string{"clean", "host1"}, statusUsage, "", `unexpected argument "host1"`},
		"no inventory":  {[]string{"clean", "-hosts", "/nonexistent"}, statusUsage, "", "/nonexistent"},
		"bad inventory": {[]string{"clean", "-hosts", "/dev/null"}, statusUsage, "", "write one line for each"},
		"no hosts":      {[]string{"clean", "-ssh-config", "none"}, statusUsage, "", "give them with -hosts"},
		"no time":       {[]string{"clean", "-timeout", "0"}, statusUsage, "", "-timeout must be positive"},
		"bad binary":    {[]string{"clean", "-binary", "here"}, statusUsage, "", "want os/arch=path"},
		"no binary":     {[]string{"clean", "-binary", "linux/arm64=/nonexistent"}, statusUsage, "", "/nonexistent"},
	} {
		t.Run(name, func(t *testing.T) {
			status, stdout, stderr := tlaunch(c.args...)
			require.Equal(t, c.status, status)
			require.Contains(t, stdout, c.stdout)
			require.Contains(t, stderr, c.stderr)
			require.Equal(t, c.stdout == "", stdout == "", stdout)
			require.Equal(t, c.stderr == "", stderr == "", stderr)
		})
	}
}
