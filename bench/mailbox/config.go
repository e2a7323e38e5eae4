package mailbox

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// config says what is measured.
type config struct {
	cases    []contest
	named    bool // cases were asked for by name
	rounds   int
	duration time.Duration // of the sending of one contestant in one round
	full     bool          // neither rounds nor duration were given: what was promised for a length has it
	json     bool
	profiles string // folder for CPU profiles of our processes; empty: none
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("bench mailbox", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&c.rounds, "rounds", 5, "`N` rounds that count, after one that does not")
	flags.DurationVar(&c.duration, "duration", time.Second, "how long each contestant sends in each round")
	flags.BoolVar(&c.json, "json", false, "print one line of JSON for each row to standard output, and the table to standard error")
	flags.StringVar(&c.profiles, "profiles", "", "write CPU profiles of our processes into this `FOLDER`")
	names := flags.String("cases", "", "`LIST` of the cases, separated by commas, such as tell/16 or payload/65536/tls; the default is all: "+strings.Join(caseNames(contests), ", "))
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	c.full, c.named = true, *names != ""
	flags.Visit(func(f *flag.Flag) { c.full = c.full && f.Name != "rounds" && f.Name != "duration" })
	err := c.choose(flags.Args(), *names)
	if err != nil {
		fmt.Fprintln(stderr, "bench mailbox:", err)
	}
	return c, err
}

func (c *config) choose(args []string, names string) error {
	switch {
	case len(args) > 0:
		return fmt.Errorf("%q is no flag", args[0])
	case c.rounds < 1:
		return errors.New("-rounds must be at least 1")
	case c.duration <= 0:
		return errors.New("-duration must be more than 0")
	case names == "":
		c.cases = contests
		return nil
	}
	for name := range strings.SplitSeq(names, ",") {
		found := false
		for _, k := range contests {
			if k.name() == name {
				c.cases = append(c.cases, k)
				found = true
			}
		}
		if !found {
			return fmt.Errorf("-cases %s: of %s", name, strings.Join(caseNames(contests), ", "))
		}
	}
	return nil
}

func caseNames(all []contest) []string {
	names := make([]string, len(all))
	for i, k := range all {
		names[i] = k.name()
	}
	return names
}
