package tlaunch

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tartrl/tlaunch-go/actor"
)

// A Command is an executable that is a node; see [AddCommand].
type Command struct {
	// Path is the executable. A name without a slash is looked up in the PATH of the host; a relative path counts from
	// Dir. Required.
	Path string

	// Args are its arguments, without its name. They can be seen by every user of the host.
	Args []string

	// Env are variables of its environment, beside those that all commands have; where they have one of the same name,
	// this one counts. Names that begin with TLAUNCH_ are taken.
	Env map[string]string

	// Secrets are more of these variables. Their values stay out of what processes compare of the program.
	Secrets map[string]Secret[string]

	// Files is a folder of the launcher that is brought to the host; a relative path counts from the launcher's working
	// directory. Empty: none. Left out are .git, .venv, .tlaunchignore and what the latter says. All commands of a run
	// on one host that name the same folder share one copy, which they may change and which is gone after the run. In a
	// run in one process the command works in the folder itself.
	Files string

	// Dir is the working directory. A relative path counts from Files, or without these from the host's work folder (in
	// a run in one process: from the working directory of this process), which is also the default.
	Dir string

	// GPUs is how many devices of its host the command gets for itself among the commands of the run, as
	// CUDA_VISIBLE_DEVICES. 0: the variable is the host's; negative is a mistake.
	GPUs int

	// Limits bound the command. Of what they do not name, those of the run count; see [ProcessLimits].
	Limits Limits
}

// CommandNode is the type of refs to nodes that are commands; they have no methods.
type CommandNode struct{ _ byte }

// AddCommand gives the program a node that is an executable of its host, a
// process (or several) of its own. It runs as a Run method would: the program
// ends when all of these have ended, and an exit status other than 0 is a
// failure, a [*CommandError]. Nodes of other kinds need another label.
//
// Standard input is at its end, and lines of standard output and error are the
// node's, unless it was given [Talk]. When the run ends, the process group of the command gets SIGTERM and,
// after the notice, SIGKILL. What a command has started ends with it.
//
// Of the host's environment it has PATH, HOME, USER, LANG, TMPDIR and what the
// option [Env] adds, and about the run:
//
//	TLAUNCH_RUN, TLAUNCH_NODE               the id of the run; the node, as in "trainer/0"
//	TLAUNCH_RANK, RANK                      its number in the label
//	TLAUNCH_WORLD_SIZE, WORLD_SIZE          how many nodes the label has
//	TLAUNCH_LOCAL_RANK, LOCAL_RANK          its number among those of them on its host
//	LOCAL_WORLD_SIZE                        how many these are
//	TLAUNCH_GROUP                           the addresses of the label's hosts, one for each node, by rank, with commas between
//	MASTER_ADDR, MASTER_PORT                the address of rank 0 and a port that was free there when the run began
func AddCommand(p *Program, label string, c Command, opts ...NodeOption) actor.Ref[CommandNode] {
	n := p.add(label, opts)
	c.Args, c.Env, c.Secrets = slices.Clone(c.Args), maps.Clone(c.Env), maps.Clone(c.Secrets) // nodes may be given the same ones
	for _, mistake := range c.mistakes() {
		p.fail("node %s: %s", n.key, mistake)
	}
	n.value = &commandNode{c, n.talker}
	if n.ownProcess() {
		p.fail("node %s is a command, which is a process of its own: leave OwnProcess out, and bound it with Command.Limits", n.key)
	}
	p.noBatches(n)
	return actor.NewRef[CommandNode](p.table, n.key)
}

// mistakes are what is wrong with a command wherever it is to run.
func (c *Command) mistakes() (found []string) {
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if c.Path == "" {
		say("it has no Path: name an executable")
	}
	for _, s := range append([]string{c.Path, c.Dir, c.Files}, c.Args...) {
		if strings.ContainsRune(s, 0) {
			say("%q holds a zero byte, which no argument or path can", s)
		}
	}
	if c.GPUs < 0 {
		say("it wants %d GPUs: write 0 for none", c.GPUs)
	}
	if err := c.Limits.validate(); err != nil {
		say("its limits: %v", err)
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(c.Env)), maps.Keys(c.Secrets))
	slices.Sort(names)
	for i, name := range names {
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00"):
			say("%q is no name of a variable", name)
		case strings.HasPrefix(name, "TLAUNCH_"):
			say("the variable %s is tlaunch's own: choose another name", name)
		case i > 0 && names[i-1] == name:
			say("the variable %s is both in Env and in Secrets", name)
		case strings.ContainsRune(c.Env[name]+c.Secrets[name].Reveal(), 0):
			say("the variable %s holds a zero byte, which none can", name)
		}
	}
	return found
}

// A CommandError says that a command did not exit with status 0.
type CommandError struct {
	Node   string // label/number
	Code   int    // its exit status; 128 + n when signal n ended it
	Signal string // the name of that signal, as in "SIGKILL"; empty: it exited
	Memory bool   // the signal was the kernel's, for want of memory, as far as that can be known
	Talk   string // why the [Talker] had given up before the command ended; empty: it had not
}

func (e *CommandError) Error() string {
	if e.Talk != "" {
		return e.status() + ", after " + e.Talk
	}
	return e.status()
}

func (e *CommandError) status() string {
	switch {
	case e.Memory:
		return "killed for want of memory"
	case e.Signal != "":
		return "killed by " + e.Signal
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// commandNode is the value of a node that is a command.
type commandNode struct {
	command Command
	talker  Talker // nil: nobody speaks with it
}

var _ actor.Runner = (*commandNode)(nil)

// Run lives as long as the command.
func (n *commandNode) Run(ctx context.Context) error {
	return stageOf(ctx).commands.live(ctx, n)
}

func commandOf(n *node) (*Command, bool) {
	c, ok := n.value.(*commandNode)
	if !ok {
		return nil, false
	}
	return &c.command, true
}

// variables are those that the command itself names, sorted.
func (c *Command) variables() []string {
	var all []string
	for name, value := range c.Env {
		all = append(all, name+"="+value)
	}
	for name, value := range c.Secrets {
		all = append(all, name+"="+value.Reveal())
	}
	slices.SortFunc(all, cmp.Compare)
	return all
}
