package tlaunch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
	"github.com/tartrl/tlaunch-go/internal/child"
	"github.com/tartrl/tlaunch-go/internal/oom"
)

// A commandSite is what the commands of this process need to run.
type commandSite struct {
	run    string // its id
	graph  *graph
	limits Limits                                                                    // of commands that this process's own are not
	env    []string                                                                  // of every command
	work   string                                                                    // where relative folders count from
	files  func(*commandPlace) string                                                // where the folder lies that a command brings
	output func(ctx context.Context, node string, s bootstrap.Stream) io.WriteCloser // takes what a command prints

	mu     sync.Mutex
	ready  map[string]readyCommand // by node
	ports  map[string]*heldPort    // by label, until rank 0 starts
	groups map[string]commandGroup // by label, when the nodes start
	lives  map[string]*child.Child // by node
	doomed map[string]bool         // nodes that were killed, in case they are about to start
}

// A readyCommand is found to be there.
type readyCommand struct {
	path, dir string
	devices   []string // variables about its GPUs
}

func newCommandSite(run string, g *graph) *commandSite {
	return &commandSite{run: run, graph: g, ready: map[string]readyCommand{}, ports: map[string]*heldPort{}, lives: map[string]*child.Child{}, doomed: map[string]bool{}}
}

// commandRemedy is what helps against an executable that is not there.
const commandRemedy = "install it there, name it by its full path, or bring it with Files"

// prepare looks whether the commands of a host can run, before any node
// starts. onlyMachine says that all hosts are this machine, and share its GPUs.
// The error is a [*bootstrap.HostError] with all that is missing.
func (s *commandSite) prepare(ctx context.Context, host Host, onlyMachine bool, ports portRange) error {
	var missing []error
	remedy := ""
	var own []*commandPlace
	wanted := 0
	for _, n := range s.graph.on(host.Name) {
		if p := s.graph.commands[n.key]; p != nil {
			own = append(own, p)
			wanted += len(p.gpus)
		}
	}
	devices := func(int) (string, error) { return "", nil }
	if wanted > 0 {
		base := 0
		if onlyMachine {
			base = s.graph.gpuBase[host.Name]
		}
		var err error
		if devices, err = gpuDevices(ctx, s.env, host.GPUs, base); err != nil {
			missing = append(missing, fmt.Errorf("its commands want %d GPUs: %w", wanted, err))
			devices = func(int) (string, error) { return "", nil }
		}
	}
	for _, p := range own {
		ready, err := s.find(p)
		if err != nil {
			missing, remedy = append(missing, fmt.Errorf("node %s: %w", p.node.key, err)), commandRemedy
		}
		if ready.devices, err = visibleDevices(p.gpus, devices); err != nil {
			missing = append(missing, fmt.Errorf("node %s: %w; the commands here want %d in all", p.node.key, err, wanted))
		}
		if p.rank == 0 {
			if err := s.hold(p.node.label, ports); err != nil {
				missing = append(missing, fmt.Errorf("node %s: %w", p.node.key, err))
			}
		}
		s.mu.Lock()
		s.ready[p.node.key] = ready
		s.mu.Unlock()
	}
	if missing == nil {
		return nil
	}
	s.close()
	return &bootstrap.HostError{Host: host.Name, Op: "find the commands", Err: errors.Join(missing...), Remedy: remedy}
}

// find looks for a command's folder and executable.
func (s *commandSite) find(p *commandPlace) (readyCommand, error) {
	c, _ := commandOf(p.node)
	r := readyCommand{dir: s.work}
	if p.files >= 0 {
		r.dir = s.files(p)
	}
	if c.Dir != "" {
		if !filepath.IsAbs(c.Dir) {
			r.dir = filepath.Join(r.dir, c.Dir)
		} else {
			r.dir = c.Dir
		}
	}
	if info, err := os.Stat(r.dir); err != nil {
		return r, fmt.Errorf("its working directory: %w", err)
	} else if !info.IsDir() {
		return r, fmt.Errorf("its working directory: %s is no folder", r.dir)
	}
	var err error
	r.path, err = findExecutable(c.Path, r.dir, append(slices.Clone(s.env), c.variables()...))
	return r, err
}

// findExecutable finds what a shell in dir would run for a name, with the
// PATH of an environment in which the last of two values counts.
func findExecutable(name, dir string, env []string) (string, error) {
	if strings.ContainsRune(name, '/') {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, executable(name)
	}
	if runtime.GOOS == "windows" {
		return exec.LookPath(name)
	}
	path := ""
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, "PATH="); ok {
			path = value
		}
	}
	for _, folder := range filepath.SplitList(path) {
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(dir, folder)
		}
		if file := filepath.Join(folder, name); executable(file) == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("there is no executable %q in its PATH, %s", name, path)
}

// executable says why a file cannot be run.
func executable(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a folder", file)
	case info.Mode()&0o111 == 0 && runtime.GOOS != "windows":
		return fmt.Errorf("%s may not be executed (mode %v)", file, info.Mode())
	}
	return nil
}

// hold keeps a port free for rank 0 of a label.
func (s *commandSite) hold(label string, ports portRange) error {
	held, err := holdPort(ports)
	if err != nil {
		return fmt.Errorf("no port for MASTER_PORT: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ports[label] = held
	return nil
}

// held are the ports that are kept free here, by label.
func (s *commandSite) held() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	ports := map[string]int{}
	for label, held := range s.ports {
		ports[label] = held.port
	}
	return ports
}

// tell gives the commands what they are told of each other, before they start.
func (s *commandSite) tell(groups map[string]commandGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups = groups
}

// close gives up ports that nobody has taken.
func (s *commandSite) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for label, held := range s.ports {
		held.release()
		delete(s.ports, label)
	}
}

// kill ends a command for good, at once. It does not wait.
func (s *commandSite) kill(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doomed[key] = true
	if c := s.lives[key]; c != nil {
		c.Kill()
	}
}

// live runs a command to its end: that which it comes to by itself, or after
// ctx that which it is asked for, or which kill makes.
func (s *commandSite) live(ctx context.Context, n *commandNode) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	place := s.graph.commands[actor.Self(ctx)]
	s.mu.Lock()
	ready, group := s.ready[place.node.key], s.groups[place.node.label]
	if held := s.ports[place.node.label]; held != nil && place.rank == 0 {
		held.release() // the moment before it can be taken
		delete(s.ports, place.node.label)
	}
	s.mu.Unlock()
	marks := place.marks(s.run)
	out, errs := s.output(ctx, place.node.name, bootstrap.Stdout), s.output(ctx, place.node.name, bootstrap.Stderr)
	limits := n.command.Limits.over(s.limits)
	path, args := ready.path, n.command.Args
	if script := limits.script(); script != "" {
		path, args = "/bin/sh", append([]string{"-c", script, ready.path}, args...) // the shell becomes the command
	}
	spec := child.Spec{
		Path: path, Args: args, Dir: ready.dir, Marks: marks, Stdout: out, Stderr: errs,
		Env: slices.Concat(s.env, limits.variables(), place.variables(group), ready.devices, n.command.variables(), marks),
	}
	talk, err := newTalk(n.talker, &spec)
	var c *child.Child
	if err == nil {
		c, err = child.Start(spec)
	}
	if err != nil {
		talk.abandon()
		return errors.Join(fmt.Errorf("start %s in %s: %w", ready.path, ready.dir, err), out.Close(), errs.Close())
	}
	talk.begin(ctx, c.Gone())
	s.mu.Lock()
	s.lives[place.node.key] = c
	doomed := s.doomed[place.node.key]
	s.mu.Unlock()
	if doomed {
		c.Kill()
	}
	memory := awaitCommand(ctx, c)
	status := c.Wait()
	s.mu.Lock()
	delete(s.lives, place.node.key)
	memory = memory && status.Signal == "SIGKILL" && !s.doomed[place.node.key]
	s.mu.Unlock()
	talked, first := talk.end()
	closed := errors.Join(out.Close(), errs.Close())
	if status.Code == 0 {
		return errors.Join(talked, closed)
	}
	failure := &CommandError{Node: place.node.key, Code: status.Code, Signal: status.Signal, Memory: memory}
	if first { // the command may have failed for that
		failure.Talk = talked.Error()
	}
	return failure // which says more than that its last line was lost
}

// awaitCommand waits for a command's end, or for that of ctx, and then asks it to end. It says whether the kernel has killed for
// want of memory shortly before the command ended by itself.
func awaitCommand(ctx context.Context, c *child.Child) (memory bool) {
	const look = 5 * time.Second
	kills := oom.NewWatch()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-c.Done():
			return ctx.Err() == nil && kills.Killed()
		case <-ctx.Done():
			c.Terminate()
			return false
		case now := <-tick.C:
			kills.Tick(now)
		}
	}
}
