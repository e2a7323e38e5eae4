package bootstrap

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// ConsoleOptions say how a [Console] prints.
type ConsoleOptions struct {
	Color bool       // colours, for a terminal
	Level slog.Level // records below are left out; zero is Info
}

// Console prints records as lines "name │ text" for people to read. The name is the node's, or else the host's, and has
// always the same colour. What could move a terminal's cursor or change its state is shown, not sent: \x1b. It is safe for
// concurrent use.
type Console struct {
	opts ConsoleOptions

	mu    sync.Mutex
	w     io.Writer
	width int // of the widest name so far
	buf   bytes.Buffer
}

// maxNameWidth is where long names stop pushing the text to the right.
const maxNameWidth = 24

// NewConsole returns a console that writes to w, one Write for each record.
func NewConsole(w io.Writer, opts ConsoleOptions) *Console {
	return &Console{w: w, opts: opts}
}

// Print prints one record. Texts of several lines get the name before each. The error is the writer's.
func (c *Console) Print(r Record) error {
	if r.Level < c.opts.Level {
		return nil
	}
	name := Printable(r.Host)
	if r.Node != "" {
		name = Printable(r.Node)
		if r.Host != "" {
			name += "@" + Printable(r.Host)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	width := utf8.RuneCountInString(name)
	c.width = max(c.width, min(width, maxNameWidth))
	prefix := name + strings.Repeat(" ", max(c.width-width, 0))
	if c.opts.Color {
		prefix = colour(name) + prefix + colourOff
	}
	c.buf.Reset()
	for text := range strings.SplitSeq(strings.TrimSuffix(r.Text, "\r"), "\n") {
		c.buf.WriteString(prefix)
		c.buf.WriteString(" │ ")
		r.Text = text
		r.write(&c.buf, "15:04:05.000 ", c.opts.Color)
		r.Attrs = nil // once, after the first line
		c.buf.WriteByte('\n')
	}
	_, err := c.w.Write(c.buf.Bytes())
	if c.buf.Cap() > 1<<20 {
		c.buf = bytes.Buffer{} // one long line is no reason to keep that much
	}
	return err
}

// Line returns the record as a [Console] prints it, without name and colours: for log records with time of day, level and
// attributes. A text of several lines stays one.
func (r Record) Line() string {
	var b bytes.Buffer
	r.write(&b, "15:04:05.000 ", false)
	return b.String()
}

// LogLine returns the record as a line of a log file: time in UTC, number, stream, and what [Record.Line] has. A text of several
// lines stays one.
func (r Record) LogLine() string {
	var b bytes.Buffer
	b.WriteString(r.Time.UTC().Format("2006-01-02T15:04:05.000Z "))
	b.WriteString(strconv.FormatUint(r.NodeSeq, 10) + " " + r.Stream.String() + " ")
	r.write(&b, "", false)
	return b.String()
}

// write writes the record but for its name; clock is the layout of the time of log records.
func (r Record) write(b *bytes.Buffer, clock string, color bool) {
	switch r.Stream {
	case Log:
		b.WriteString(r.Time.UTC().Format(clock))
		b.WriteString(levelText(r.Level, color))
	case Agent, Gap:
		b.WriteString(levelText(r.Level, color))
	}
	b.WriteString(Printable(r.Text))
	if r.Stream != Log {
		return
	}
	for _, a := range r.Attrs {
		b.WriteByte(' ')
		b.WriteString(Printable(a.Key))
		b.WriteByte('=')
		b.WriteString(quoted(a.Value))
	}
}

const colourOff = "\x1b[0m"

// palette holds colours that can be read on dark and on light ground.
var palette = []int{33, 34, 37, 62, 64, 97, 130, 133, 136, 161, 166, 168}

func colour(name string) string {
	h := fnv.New32a()
	_, _ = io.WriteString(h, name)
	return "\x1b[38;5;" + strconv.Itoa(palette[h.Sum32()%uint32(len(palette))]) + "m"
}

func levelText(l slog.Level, color bool) string {
	text := fmt.Sprintf("%-5s ", l)
	switch {
	case !color || l < slog.LevelWarn:
		return text
	case l < slog.LevelError:
		return "\x1b[33m" + text + colourOff
	}
	return "\x1b[31m" + text + colourOff
}

// quoted puts values with spaces or nothing in them between quotes.
func quoted(s string) string {
	if s == "" || strings.ContainsAny(s, " \t\n\"=") {
		return Printable(strconv.Quote(s))
	}
	return Printable(s)
}

// Printable returns s with control characters, invalid bytes, and characters that change the direction of text or cannot be
// seen replaced by escapes such as \x1b and \u202e. Tabs stay.
func Printable(s string) string {
	clean := true
	for _, r := range s {
		if harmful(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1, harmful(r) && r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case harmful(r) && r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		case harmful(r) && r != utf8.RuneError:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

// harmful says whether r may need an escape; utf8.RuneError does so where it stands for an invalid byte.
func harmful(r rune) bool {
	switch {
	case r == '\t':
		return false
	case r < ' ', r >= 0x7f && r < 0xa0, r == utf8.RuneError:
		return true
	case r == '\u200d': // joins emoji and letters of several scripts
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co)
}
