package tlaunch

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// terminal opens a pseudo-terminal: what is written to far is read from near.
func terminal(t *testing.T) (near, far *os.File) {
	t.Helper()
	near, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, near.Close()) })
	fd := int(near.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	far, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 25, Col: 120}))
	return near, far
}

func TestScriptOnATerminal(t *testing.T) {
	for name, c := range map[string]struct {
		variables []string
		colours   bool
	}{
		"colours":    {[]string{"TERM=xterm", "NO_COLOR="}, true},
		"NO_COLOR":   {[]string{"TERM=xterm", "NO_COLOR=1"}, false},
		"a dumb one": {[]string{"TERM=dumb", "NO_COLOR="}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := terminal(t)
			cmd := script(t, "star", "-launch", "procs")
			cmd.Env = append(cmd.Env, c.variables...)
			cmd.Stdout, cmd.Stderr = far, far
			require.NoError(t, cmd.Start())
			require.NoError(t, far.Close())
			var out bytes.Buffer
			_, err := io.Copy(&out, near)
			require.ErrorIs(t, err, unix.EIO, "the last writer has gone")
			require.NoError(t, cmd.Wait())
			text := out.String()
			require.Contains(t, text, "stopped sum=3 tells=2")
			require.Contains(t, text, "3 hosts are up after")
			if c.colours {
				require.Contains(t, text, "\x1b[38;5;", "the names of nodes")
				require.NotContains(t, text, "host1: registered", "a bar instead of lines")
			} else {
				require.NotContains(t, text, "\x1b[")
				require.Contains(t, text, "host1: registered")
			}
		})
	}
}
