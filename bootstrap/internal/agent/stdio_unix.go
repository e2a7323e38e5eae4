//go:build unix

package agent

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// stdio is a process's standard input and output, taken away from everybody else.
type stdio struct {
	in     *os.File
	out    *os.File
	holder io.Closer // keeps the process alive that they were taken from; nil: this one
}

func (s *stdio) Read(b []byte) (int, error) { return s.in.Read(b) }

func (s *stdio) Write(b []byte) (int, error) { return s.out.Write(b) }

func (s *stdio) Close() error {
	err := errors.Join(s.in.Close(), s.out.Close())
	if s.holder != nil {
		err = errors.Join(err, s.holder.Close())
	}
	return err
}

// claimStdio moves the link to descriptors of its own: what else in this process prints goes to standard error from now on.
func claimStdio() (*stdio, error) {
	take := func(fd int, name string) (*os.File, error) {
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, fmt.Errorf("take %s: %w", name, err)
		}
		if err := unix.SetNonblock(own, true); err != nil {
			return nil, fmt.Errorf("take %s: %w", name, err)
		}
		return os.NewFile(uintptr(own), name), nil
	}
	in, err := take(0, "link in")
	if err != nil {
		return nil, err
	}
	out, err := take(1, "link out")
	if err != nil {
		return nil, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	if err := unix.Dup2(int(null.Fd()), 0); err != nil {
		return nil, fmt.Errorf("replace standard input: %w", err)
	}
	if err := unix.Dup2(2, 1); err != nil {
		return nil, fmt.Errorf("replace standard output: %w", err)
	}
	return &stdio{in: in, out: out}, nil
}
