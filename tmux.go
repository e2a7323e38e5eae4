package tlaunch

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

// tmuxWindows is how many windows a session has for nodes. A program with more
// nodes has a window for each label.
const tmuxWindows = 50

// tmux shows a run in a tmux session of its own, whose windows follow its log
// files.
type tmux struct {
	path   string // of the executable
	logs   string // the folder of the log files
	own    bool   // the folder was made for this, since nobody named one
	inside bool   // this process is in a tmux session itself

	session string // once it is open
}

// newTmux looks for tmux, and makes a folder for log files where logs is empty.
func newTmux(logs string) (*tmux, error) {
	path, err := exec.LookPath("tmux")
	if err != nil {
		return nil, usagef("-terminal tmux: there is no tmux here (%v): install it, or use -terminal lines", err)
	}
	if _, err := exec.LookPath("tail"); err != nil {
		return nil, usagef("-terminal tmux: its windows need tail (%v)", err)
	}
	t := &tmux{path: path, logs: logs, inside: os.Getenv("TMUX") != ""}
	if logs == "" {
		if t.logs, err = os.MkdirTemp("", "tlaunch-logs-"); err != nil {
			return nil, usagef("-terminal tmux: a folder for the log files: %v", err)
		}
		t.own = true
	}
	return t, nil
}

// window is a window that follows files.
type window struct {
	name  string
	files []string
}

// windowsOf is a window for each node, or where that are too many for each
// label, and one for what hosts and launcher say.
func windowsOf(l *logFiles) ([]window, error) {
	var windows []window
	var others window
	nodes := 0
	for _, f := range l.order {
		if f.node {
			nodes++
		}
	}
	at := map[string]int{}
	taken := map[string]bool{"hosts": true}
	for _, f := range l.order {
		switch i, known := at[f.label]; {
		case !f.node:
			others.files = append(others.files, f.path)
		case nodes > tmuxWindows && known:
			windows[i].files = append(windows[i].files, f.path)
		default:
			name := f.shown
			if nodes > tmuxWindows {
				name = f.label
				at[f.label] = len(windows)
			}
			windows = append(windows, window{unique(taken, name), []string{f.path}})
		}
	}
	if len(windows) > tmuxWindows {
		return nil, usagef("-terminal tmux: a session has at most %d windows for nodes, and the program has %d labels: use -logs DIR", tmuxWindows, len(windows))
	}
	others.name = "hosts"
	return append(windows, others), nil
}

// open makes the session of a run.
func (t *tmux) open(run string, l *logFiles) error {
	windows, err := windowsOf(l)
	if err != nil {
		return err
	}
	session := strings.NewReplacer(".", "_", ":", "_").Replace(run) // tmux uses these in names of its own
	var args []string
	for i, w := range windows {
		// Panes follow their files by name, from the first line, and run no shell.
		follow := append([]string{"tail", "-n", "+1", "-F", "--"}, w.files...)
		if i == 0 {
			args = append(args, "new-session", "-d", "-s", session, "-n", plain(w.name))
		} else {
			args = append(args, ";", "new-window", "-d", "-t", "="+session+":", "-n", plain(w.name))
		}
		args = append(args, follow...)
	}
	if out, err := t.run(args...); err != nil {
		return usagef("-terminal tmux: %v: %s", err, strings.TrimSpace(bootstrap.Printable(out)))
	}
	t.session = session
	return nil
}

// plain keeps tmux from reading more than a name in what people call a node:
// "#(…)" would be a command that it runs, and a semicolon at the end that of
// its own command.
func plain(name string) string {
	name = strings.ReplaceAll(bootstrap.Printable(name), "#", "##")
	if head, ok := strings.CutSuffix(name, ";"); ok {
		name = head + `\;`
	}
	return name
}

func (t *tmux) run(args ...string) (string, error) {
	out, err := exec.Command(t.path, args...).CombinedOutput()
	return string(out), err
}

// howTo says how to look at the session.
func (t *tmux) howTo() string {
	if t.inside {
		return "tmux switch-client -t " + t.session
	}
	return "tmux attach -t " + t.session
}

// close ends the session after a run that ended well, where what was said is
// kept elsewhere and nobody looks at it; otherwise the session stays, and close
// says how it is ended.
func (t *tmux) close(well bool) (text string, err error) {
	if t.session == "" {
		return "", t.discard()
	}
	clients, _ := t.run("list-clients", "-t", "="+t.session) // no session: nobody looks at it
	if well && !t.own && strings.TrimSpace(clients) == "" {
		_, _ = t.run("kill-session", "-t", "="+t.session) // it may be gone already
		return "", nil
	}
	return fmt.Sprintf("the tmux session stays: %s; tmux kill-session -t %s ends it; the log files are in %s", t.howTo(), t.session, t.logs), nil
}

// discard removes a folder that never was of use.
func (t *tmux) discard() error {
	if !t.own {
		return nil
	}
	return os.RemoveAll(t.logs)
}
