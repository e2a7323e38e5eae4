//go:build linux

package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// sshdPatience is how long sshd may take until it listens; it takes some 20 ms on an idle machine.
const sshdPatience = 60 * time.Second

// sshd is a running sshd: the listening process, not its sessions.
type sshd struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// stop ends the listener and returns when it is gone. Sessions go on.
func (s *sshd) stop() {
	// A listener that has ended already is what is wanted.
	_ = s.cmd.Process.Kill()
	<-s.done
}

// StartSSHD starts the host's sshd again after StopSSHD, and returns when it listens. It does nothing while one runs.
func (h *Host) StartSSHD() error {
	if h.sshd != nil {
		return nil
	}
	return h.startSSHD()
}

// StopSSHD ends the host's sshd: new connections are refused, sessions that are open go on, as when the service of a
// real host is stopped. KillAll ends the sessions too.
func (h *Host) StopSSHD() {
	if h.sshd != nil {
		h.sshd.stop()
		h.sshd = nil
	}
}

func (h *Host) startSSHD() error {
	pid := filepath.Join(h.dir, "ssh", "pid")
	if err := os.Remove(pid); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	logPath := filepath.Join(h.dir, "ssh", "log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	// In the foreground, so that it is a child of this process and can be waited for; by its absolute path, which sshd insists on.
	cmd := h.Command("/usr/sbin/sshd", "-D", "-e", "-f", filepath.Join(h.dir, "ssh", "sshd_config"))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("netns: start sshd of %s: %w", h.Name, err)
	}
	s := &sshd{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		_ = cmd.Wait() // its end is told by done; its reasons are in the log
	}()
	// sshd writes its pid when it listens: unlike a dial this also holds for a host whose cable is cut.
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(sshdPatience)
	for {
		if _, err := os.Stat(pid); err == nil {
			h.sshd = s
			return nil
		}
		select {
		case <-tick.C:
			continue
		case <-s.done:
		case <-late:
			s.stop()
		}
		text, err := os.ReadFile(logPath)
		return fmt.Errorf("netns: sshd of %s does not listen: %w", h.Name, errors.Join(errors.New(string(text)), err))
	}
}

// SSHDLog is what the host's sshd has logged so far.
func (h *Host) SSHDLog() (string, error) {
	text, err := os.ReadFile(filepath.Join(h.dir, "ssh", "log"))
	return string(text), err
}
