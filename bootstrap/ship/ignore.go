package ship

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// Ignore is what a .tlaunchignore leaves out. It knows a part of what .gitignore does: one pattern a line, '#' for comments; '*', '?' and [a-z] within one name; a pattern with a slash before its end
// counts from the folder of the file, one without matches at any depth; a slash at the end means folders only, with all that is in them. '!' and '**' are refused. The zero value leaves out only
// .git, .venv and .tlaunchignore itself.
type Ignore struct {
	rules []ignoreRule
}

type ignoreRule struct {
	pattern  string
	anchored bool
	dirOnly  bool
}

// ReadIgnore reads a file; one that does not exist leaves out nothing more than the zero value. All bad lines are reported together, each with file and line.
func ReadIgnore(file string) (*Ignore, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return &Ignore{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ship: %w", err)
	}
	return parseIgnore(file, text)
}

func parseIgnore(file string, text []byte) (*Ignore, error) {
	ig := &Ignore{}
	var errs []error
	sc := bufio.NewScanner(bytes.NewReader(text))
	sc.Buffer(nil, max(len(text)+1, bufio.MaxScanTokenSize))
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		var r ignoreRule
		r.pattern, r.dirOnly = strings.CutSuffix(line, "/")
		r.anchored = strings.Contains(r.pattern, "/")
		r.pattern = strings.TrimPrefix(r.pattern, "/")
		reason := ""
		switch _, err := path.Match(r.pattern, ""); {
		case line[0] == '!':
			reason = "'!' is not supported; list what is to be left out"
		case strings.Contains(line, "**"):
			reason = "'**' is not supported; a pattern without a slash matches at any depth"
		case err != nil || r.pattern == "" || path.Clean(r.pattern) != r.pattern:
			reason = "not a pattern; write names with '*', '?' and [a-z]"
		}
		if reason != "" {
			errs = append(errs, fmt.Errorf("ship: %s:%d: %q: %s", file, n, line, reason))
			continue
		}
		ig.rules = append(ig.rules, r)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return ig, nil
}

// Match reports whether a file or folder is left out. name is relative to the folder, with slashes; whoever walks the folder does not descend into what is left out.
func (ig *Ignore) Match(name string, isDir bool) bool {
	switch base := path.Base(name); {
	case base == ".git", base == ".venv", name == ".tlaunchignore":
		return true
	}
	for _, r := range ig.rules {
		if r.dirOnly && !isDir {
			continue
		}
		subject := name
		if !r.anchored {
			subject = path.Base(name)
		}
		if ok, err := path.Match(r.pattern, subject); ok && err == nil {
			return true
		}
	}
	return false
}
