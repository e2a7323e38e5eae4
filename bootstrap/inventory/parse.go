package inventory

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxLine is the longest line that is read, in bytes.
const maxLine = 64 << 10

// ParseError is a line of an inventory that cannot be used.
type ParseError struct {
	File   string // as given to Parse
	Line   int    // from 1
	Text   string // the word or line at fault, shortened to 80 bytes; may be empty
	Reason string // what is wrong and how it should look
}

// Error returns file:line, the text at fault and the reason.
func (e *ParseError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
	}
	return fmt.Sprintf("%s:%d: %q: %s", e.File, e.Line, e.Text, e.Reason)
}

// Parse reads an inventory from r; file is the name used in errors and in [Host.File]. All faulty lines are reported together: the error is then a join of [*ParseError] values
// in the order of the lines. An inventory without hosts is [ErrEmpty].
func Parse(file string, r io.Reader) (*Inventory, error) {
	p := parser{file: file, index: map[string]int{}}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, maxLine)
	for sc.Scan() && !p.full {
		p.line++
		p.parseLine(sc.Text())
	}
	switch err := sc.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		p.line++
		p.fail("", fmt.Sprintf("the line is longer than %d bytes; is this an inventory?", maxLine))
	case err != nil:
		return nil, fmt.Errorf("inventory: %s: %w", file, err)
	}
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	if len(p.hosts) == 0 {
		return nil, fmt.Errorf("%w in %s; write one line for each: name [user@]address[:port] key=value", ErrEmpty, file)
	}
	return &Inventory{Hosts: p.hosts}, nil
}

// parser holds what has been read of one inventory.
type parser struct {
	file  string
	line  int
	group string // group that the lines belong to; empty before the first header
	hosts []Host
	index map[string]int // name to position in hosts
	full  bool           // MaxHosts was exceeded: nothing more is read
	errs  []error
}

func (p *parser) fail(text, reason string) {
	const maxText = 80
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	p.errs = append(p.errs, &ParseError{File: p.file, Line: p.line, Text: text, Reason: reason})
}

func (p *parser) parseLine(line string) {
	words := strings.Fields(line)
	for i, w := range words {
		if w[0] == '#' {
			words = words[:i]
			break
		}
	}
	switch {
	case len(words) == 0:
	case words[0][0] == '[':
		p.header(words)
	default:
		p.host(words)
	}
}

// header opens a group.
func (p *parser) header(words []string) {
	text := strings.Join(words, " ")
	label, closed := strings.CutSuffix(strings.TrimPrefix(words[0], "["), "]")
	switch {
	case len(words) > 1 || !closed || !isLabel(label):
		p.fail(text, "not a group; write [label] on a line of its own, of a-z, 0-9, '.', '_' and '-'")
	case label == GroupAll:
		p.fail(text, "every host belongs to all already; choose another name for the group")
	default:
		p.group = label
	}
}

// host adds the hosts of one line.
func (p *parser) host(words []string) {
	def, ok := p.define(words)
	if !ok {
		return
	}
	for i := range def.len() {
		h, err := def.at(i)
		if err != nil {
			p.fail(err.text, err.reason)
			return
		}
		h.File, h.Line = p.file, p.line
		if !p.add(h, len(words) == 1) {
			return
		}
	}
}

// add takes h into the inventory; nameOnly says that its line gave nothing but a name. It reports whether the rest of the line is worth reading.
func (p *parser) add(h Host, nameOnly bool) bool {
	at, known := p.index[h.Name]
	if !known {
		if len(p.hosts) == MaxHosts {
			p.full = true
			p.fail(h.Name, fmt.Sprintf("more than %d hosts", MaxHosts))
			return false
		}
		if p.group != "" {
			h.Groups = []string{p.group}
		}
		p.index[h.Name] = len(p.hosts)
		p.hosts = append(p.hosts, h)
		return true
	}
	first := &p.hosts[at]
	switch {
	case p.group == "" || slices.Contains(first.Groups, p.group):
		p.fail(h.Name, fmt.Sprintf("named twice, here and at %s:%d; remove one, or put this one into another [group]", first.File, first.Line))
		return false
	case !nameOnly && !first.sameDefinition(h):
		p.fail(h.Name, fmt.Sprintf("defined differently at %s:%d (%s); a second line needs only the name", first.File, first.Line, first))
		return false
	}
	first.Groups = append(first.Groups, p.group)
	return true
}
