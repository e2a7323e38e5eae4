package bootstrap

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

// localStarter starts processes on this machine.
type localStarter struct {
	cfg  *Config
	dirs *luggage
}

var _ starter = (*localStarter)(nil)

func newLocalStarter(cfg *Config) *localStarter {
	return &localStarter{cfg: cfg, dirs: newLuggage(cfg)}
}

func (s *localStarter) close() error { return nil }

func (s *localStarter) start(ctx context.Context, h inventory.Host, p part) (*link, error) {
	if !localSupported {
		return nil, &HostError{Host: h.Name, Op: "start", Err: ErrUnsupported, Remedy: "use hosts over SSH, or run in one process"}
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	var files bring
	dirs, err := s.dirs.of(h.Name)
	if err != nil {
		return nil, &HostError{Host: h.Name, Op: "ship", Err: err}
	}
	if len(dirs) > 0 {
		files = func(ctx context.Context, dir string) error { return copyDirs(ctx, dirs, dir) }
	}
	path, err := s.cfg.binary("")
	if err != nil {
		return nil, &HostError{Host: h.Name, Op: "start", Err: err, Remedy: "name the executable in Binary"}
	}
	cmd := exec.Command(path, s.cfg.Args...)
	cmd.Env = agentEnv(p)
	cmd.SysProcAttr = agentAttr()
	var near, far [3]*os.File
	for i := range near {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(near[:], far[:])
			return nil, &HostError{Host: h.Name, Op: "start", Err: err}
		}
		near[i], far[i] = r, w
		if i == 0 {
			near[i], far[i] = w, r
		}
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = far[0], far[1], far[2]
	err = cmd.Start()
	closeAll(far[:])
	if err != nil {
		closeAll(near[:])
		return nil, &HostError{Host: h.Name, Op: "start", Err: err}
	}
	ended := make(chan struct{})
	var status error
	go func() { // ends with the agent, which release waits for
		status = cmd.Wait()
		close(ended)
	}()
	return &link{
		in: near[0], out: near[1], err: near[2],
		bases:   []string{""},
		address: "127.0.0.1",
		cut:     func() { closeAll(near[:2]) },
		kill: func() {
			killGroup(cmd.Process)
			closeAll(near[:2])
		},
		wait: func() error {
			<-ended
			return status
		},
		release: func() {
			closeAll(near[:])
			<-ended
		},
		abandon: func(dir string) {
			_ = os.RemoveAll(dir)
			_ = os.Remove(dir + talk.ClaimSuffix)
		},
		bring: files,
	}, nil
}

func closeAll(files ...[]*os.File) {
	for _, some := range files {
		for _, f := range some {
			if f != nil {
				_ = f.Close()
			}
		}
	}
}

// binary returns the executable for a platform ("os/arch"; empty: this machine).
func (c *Config) binary(platform string) (string, error) {
	if path, ok := c.Binary[platform]; ok {
		return path, nil
	}
	if path, ok := c.Binary[""]; ok {
		return path, nil
	}
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the own executable: %w", err)
	}
	return path, nil
}
