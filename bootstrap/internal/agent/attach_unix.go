//go:build unix

package agent

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// runAttach brings a launcher that has lost its link to the agent: it hands the agent its own standard input and output, and stays until the agent has
// done with them, because the session that it was started in ends with it. It returns the status to exit with.
func runAttach() int {
	err := attach()
	switch {
	case err == nil:
		return 0
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ENOENT):
		return ExitGone
	}
	fmt.Fprintln(os.Stderr, "bootstrap: attach:", err)
	return ExitBroken
}

func attach() error {
	if _, err := io.WriteString(os.Stdout, talk.Preamble); err != nil {
		return fmt.Errorf("greet the launcher: %w", err)
	}
	var where talk.DoorReport
	if err := talk.ReadMessage(os.Stdin, talk.MaxControl, talk.FrameDoor, &where); err != nil {
		return fmt.Errorf("read where the agent is: %w", err)
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: where.Door, Net: "unix"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := checkPeer(conn); err != nil { // what was the agent's name could be another's by now
		return err
	}
	if _, _, err := conn.WriteMsgUnix([]byte{0}, unix.UnixRights(0, 1), nil); err != nil {
		return fmt.Errorf("hand standard input and output over: %w", err)
	}
	// The agent's are the only ones from here on: when it closes them, the launcher sees that at once.
	if err := errors.Join(os.Stdin.Close(), os.Stdout.Close()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn) // the agent says nothing
	return err
}
