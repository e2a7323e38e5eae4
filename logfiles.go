package tlaunch

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

// logFiles writes what is said in a run into files: one for each node, one for
// each host's process, one for the launcher. It is safe for concurrent use.
type logFiles struct {
	dir    string
	logger *slog.Logger

	mu       sync.Mutex
	files    map[speaker]*logFile
	order    []*logFile // nodes, hosts, launcher
	flush    *time.Timer
	flushing sync.WaitGroup // timers that have not run or been stopped
	broken   bool           // a file could not be written to, which was said
	closed   bool
}

type logFile struct {
	path  string
	title string // whose it is
	node  bool
	label string // of the node
	shown string // the node's name for people
	out   *os.File
	w     *bufio.Writer
}

// flushEvery is how long a line may wait for others before it is written.
const flushEvery = 100 * time.Millisecond

// openLogs makes the files of a run in dir, which is made where it is not
// there. Files of earlier runs are kept and added to. A node's is called after
// it, "worker-0.log"; that of a host has an @ before its name, so that it is no
// node's: "@host1.log". What programs print is nobody else's business: files and
// folders that are made are their user's alone.
func openLogs(dir, run string, g *graph, hosts []Host, logger *slog.Logger) (*logFiles, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, usagef("log files: %v; name a folder that can be written to", err)
	}
	l := &logFiles{dir: dir, logger: logger, files: map[speaker]*logFile{}}
	for _, n := range g.nodes {
		title := "node " + n.key
		if n.name != n.key {
			title += " (" + n.name + ")"
		}
		f := &logFile{path: fmt.Sprintf("%s-%d", n.label, n.index), title: title + " on " + n.host, node: true, label: n.label, shown: n.name}
		l.plan(speaker{n.host, n.name}, f)
	}
	for _, h := range hosts {
		l.plan(speaker{h.Name, ""}, &logFile{path: "@" + h.Name, title: "host " + h.Name})
	}
	l.plan(speaker{launcherName, ""}, &logFile{path: "@" + launcherName, title: "the launcher"})
	taken := map[string]bool{}
	for _, f := range l.order {
		f.path = filepath.Join(dir, unique(taken, f.path)+".log")
		var err error
		f.out, err = os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err == nil {
			f.w = bufio.NewWriterSize(f.out, 16<<10)
			_, err = fmt.Fprintf(f.out, "# %s of run %s, launched %s\n", bootstrap.Printable(f.title), run, time.Now().UTC().Format(time.RFC3339))
		}
		if err != nil {
			l.close()
			return nil, usagef("log files: %v; name a folder that can be written to", err)
		}
	}
	return l, nil
}

func (l *logFiles) plan(s speaker, f *logFile) {
	l.order = append(l.order, f)
	if l.files[s] == nil { // two nodes of a host may have one name: the first's file has both
		l.files[s] = f
	}
}

// unique changes a name until it is no other's, even where capitals do not
// count. Labels and names of hosts have only characters that names of files may have.
func unique(taken map[string]bool, name string) string {
	tried := name
	for i := 2; taken[strings.ToLower(tried)]; i++ {
		tried = fmt.Sprintf("%s~%d", name, i)
	}
	taken[strings.ToLower(tried)] = true
	return tried
}

// add writes a record into its file. What is of a node that nobody has added
// goes to its host's.
func (l *logFiles) add(r Record) {
	line := r.LogLine()
	l.mu.Lock()
	f := l.files[speaker{r.Host, r.Node}]
	if f == nil {
		f = l.files[speaker{r.Host, ""}]
		line = "[" + bootstrap.Printable(r.Node) + "] " + line
	}
	if f == nil {
		f = l.order[len(l.order)-1]
	}
	var err error
	if !l.closed {
		_, err = f.w.WriteString(line + "\n")
		if l.flush == nil {
			l.flushing.Add(1)
			l.flush = time.AfterFunc(flushEvery, l.flushAll)
		}
	}
	l.mu.Unlock()
	l.failed(err)
}

func (l *logFiles) flushAll() {
	defer l.flushing.Done()
	l.mu.Lock()
	l.flush = nil
	var errs []error
	for _, f := range l.order {
		if !l.closed {
			errs = append(errs, f.w.Flush())
		}
	}
	l.mu.Unlock()
	l.failed(errors.Join(errs...))
}

// failed says, once, that a file could not be written to: the run goes on.
func (l *logFiles) failed(err error) {
	if err == nil {
		return
	}
	l.mu.Lock()
	known := l.broken
	l.broken = true
	l.mu.Unlock()
	if !known {
		l.logger.Error("a log file is not complete", "error", err)
	}
}

// close writes what is left and closes the files. When it returns nothing is said of them any more.
func (l *logFiles) close() {
	l.mu.Lock()
	if l.flush != nil && l.flush.Stop() {
		l.flushing.Done()
	}
	var errs []error
	for _, f := range l.order {
		if f.w != nil && !l.closed { // else it was never opened
			errs = append(errs, f.w.Flush(), f.out.Close())
		}
	}
	l.closed = true
	l.mu.Unlock()
	l.flushing.Wait()
	l.failed(errors.Join(errs...))
}
