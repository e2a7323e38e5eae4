// Package flagtext answers a mistyped flag with one line, where package flag
// prints all the flags there are.
package flagtext

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// Parse is fs.Parse that says nothing of what is wrong, but returns it: one
// line, with the flag that was probably meant. Asked for help it prints what
// fs.Parse prints, and returns [flag.ErrHelp].
func Parse(fs *flag.FlagSet, args []string) error {
	err := parse(fs, args)
	if err == nil {
		return nil
	}
	if errors.Is(err, flag.ErrHelp) {
		showUsage(fs)
		return err
	}
	return fmt.Errorf("%w%s; -help lists the flags", err, Suggest(fs, lastParsed(fs, args)))
}

func parse(fs *flag.FlagSet, args []string) error {
	out, usage := fs.Output(), fs.Usage
	defer func() {
		fs.SetOutput(out)
		fs.Usage = usage
	}()
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	defer hint(fs)()
	return fs.Parse(args)
}

// showUsage prints what package flag prints for -help.
func showUsage(fs *flag.FlagSet) {
	if fs.Usage != nil {
		fs.Usage()
		return
	}
	fmt.Fprintf(fs.Output(), "Usage of %s:\n", fs.Name())
	fs.PrintDefaults()
}

// lastParsed is the argument that parsing ended with.
func lastParsed(fs *flag.FlagSet, args []string) string {
	if i := len(args) - fs.NArg() - 1; i >= 0 {
		return args[i]
	}
	return ""
}

// Suggest names, in brackets, the flag that a mistyped argument is most like, if any is.
// It is empty for one that there is.
func Suggest(fs *flag.FlagSet, arg string) string {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	if name == "" || name == arg || fs.Lookup(name) != nil {
		return ""
	}
	nearest, least := "", max(1, len(name)/3) // so much is still alike
	fs.VisitAll(func(f *flag.Flag) {
		if d := editDistance(name, f.Name); d <= least && (d < least || nearest == "") {
			nearest, least = f.Name, d
		}
	})
	if nearest == "" {
		return ""
	}
	return fmt.Sprintf(" (is it -%s?)", nearest)
}

// editDistance is how many bytes have to be inserted, deleted or replaced to
// make b of a (Levenshtein 1966).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1) // of the table of distances between beginnings
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		above := row[0]
		row[0] = i + 1
		for j := range len(b) {
			diagonal := above
			if a[i] != b[j] {
				diagonal++
			}
			above = row[j+1]
			row[j+1] = min(diagonal, above+1, row[j]+1)
		}
	}
	return row[len(b)]
}
