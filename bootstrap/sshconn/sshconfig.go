package sshconn

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/kevinburke/ssh_config"
)

// maxInclude is how deep files may include each other, as in OpenSSH.
const maxInclude = 16

// The library reads the syntax. It evaluates fewer criteria of Match than users write and opens included files itself, so those two keywords reach it under names that it treats like
// any other, and are evaluated in match.go.
const (
	keyMatch   = "tlaunch-match"
	keyInclude = "tlaunch-include"
)

// lineStart finds the keywords that are not left to the library.
var lineStart = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)^[ \t]*(match|include|host)([ \t=].*)?$`) })

// block is a Host or Match line and what follows it, up to the next.
type block struct {
	patterns []string // of a Host line
	match    *directive
	lines    []directive
}

// directive is one line of a configuration.
type directive struct {
	file     string
	line     int
	key      string    // in lower case
	value    string    // without surrounding quotes
	included [][]block // of an Include line: the files in order
}

func (d directive) fault(reason string) *ConfigError {
	key := strings.TrimPrefix(d.key, "tlaunch-")
	return &ConfigError{File: d.file, Line: d.line, Text: key + " " + d.value, Reason: reason}
}

// readConfig reads a file and those it includes. relative is the folder of relative names in Include.
func readConfig(path, relative, home string, depth int) ([]block, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	cfg, err := ssh_config.DecodeBytes(prepare(text))
	if err != nil {
		return nil, &ConfigError{File: path, Text: filepath.Base(path), Reason: "not an SSH configuration: " + err.Error()}
	}
	var blocks []block
	for _, host := range cfg.Hosts {
		b := block{}
		for _, p := range host.Patterns {
			b.patterns = append(b.patterns, p.String())
		}
		for _, node := range host.Nodes {
			kv, ok := node.(*ssh_config.KV)
			if !ok {
				continue
			}
			d := directive{file: path, line: kv.Pos().Line, key: strings.ToLower(kv.Key), value: kv.Value}
			switch d.key {
			case keyMatch:
				blocks = append(blocks, b)
				b = block{match: &d}
				continue
			case keyInclude:
				if d.included, err = readIncludes(d, relative, home, depth); err != nil {
					return nil, err
				}
			}
			b.lines = append(b.lines, d)
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

// prepare renames the keywords that are evaluated here and makes every line one that the library reads the way OpenSSH does.
func prepare(text []byte) []byte {
	var out bytes.Buffer
	for raw := range bytes.Lines(text) {
		line := bytes.TrimRight(raw, "\r\n")
		if m := lineStart().FindSubmatch(line); m != nil {
			switch strings.ToLower(string(m[1])) {
			case "match":
				out.WriteString(keyMatch)
			case "include":
				out.WriteString(keyInclude)
			default:
				out.WriteString("Host")
			}
			line = bytes.ReplaceAll(m[2], []byte{'\t'}, []byte{' '})
		}
		if trimmed := bytes.TrimSpace(line); bytes.HasPrefix(trimmed, []byte{'='}) && len(trimmed) == len(bytes.TrimSpace(raw)) {
			line = nil // the library does not come back from a line that starts with '='
		}
		out.Write(line)
		out.WriteByte('\n')
	}
	return out.Bytes()
}

func readIncludes(d directive, relative, home string, depth int) ([][]block, error) {
	if depth >= maxInclude {
		return nil, d.fault(fmt.Sprintf("files include each other more than %d deep", maxInclude))
	}
	var files [][]block
	for _, pattern := range words(d.value) {
		if rest, ok := strings.CutPrefix(pattern, "~/"); ok {
			pattern = filepath.Join(home, rest)
		}
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(relative, pattern)
		}
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return nil, d.fault("not a pattern for files: " + err.Error())
		}
		for _, path := range paths {
			blocks, err := readConfig(path, relative, home, depth+1)
			if err != nil {
				return nil, err
			}
			files = append(files, blocks)
		}
	}
	return files, nil
}

// readConfigs reads what c.ConfigFile says.
func readConfigs(file string, l local) ([][]block, error) {
	const system = "/etc/ssh"
	switch file {
	case "none":
		return nil, nil
	case "":
	default:
		blocks, err := readConfig(file, l.dotSSH(""), l.home, 0)
		if err != nil {
			return nil, fmt.Errorf("sshconn: %w", err)
		}
		return [][]block{blocks}, nil
	}
	var files [][]block
	for _, f := range []struct{ path, relative string }{{l.dotSSH("config"), l.dotSSH("")}, {system + "/ssh_config", system}} {
		blocks, err := readConfig(f.path, f.relative, l.home, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("sshconn: %w", err)
		}
		files = append(files, blocks)
	}
	return files, nil
}

// words splits a value at blanks; a word in double quotes may hold blanks.
func words(s string) []string {
	var out []string
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		var w string
		if s[0] == '"' {
			w, s, _ = strings.Cut(s[1:], `"`)
		} else if i := strings.IndexAny(s, " \t"); i >= 0 {
			w, s = s[:i], s[i:]
		} else {
			w, s = s, ""
		}
		out = append(out, w)
	}
	return out
}
