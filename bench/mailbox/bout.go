package mailbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tartrl/tlaunch-go/remote"
)

// A bout is the rounds of one contest. The first contestant is ours.
type bout struct {
	contest
	contestants [2]*contestant
	cfg         config
	exe         string
	stderr      io.Writer
	receiver    *remote.Credentials // nil: without TLS
	sender      *remote.Credentials
	allowed     map[string]float64 // where it was promised: the budget of the round
	field       *field             // nil: all is on this machine
}

// A contestant is one of the two, and what was found of it.
type contestant struct {
	who           string
	figures       map[string][]float64 // by name, a value for each round
	sent, handled []float64            // allocations for each message, of the sender and of the receiver
}

func newBout(k contest, cfg config, exe string, stderr io.Writer) (*bout, error) {
	b := &bout{contest: k, cfg: cfg, exe: exe, stderr: stderr}
	for i, who := range []string{ours, k.peer} {
		b.contestants[i] = &contestant{who: who, figures: map[string][]float64{}}
	}
	switch k.kind {
	case transfer:
		b.allowed = transferBudget(k.size)
	}
	if !k.tls {
		return b, nil
	}
	authority, err := remote.NewAuthority("bench", nil)
	if err != nil {
		return nil, err
	}
	for name, to := range map[string]**remote.Credentials{"receiver": &b.receiver, "sender": &b.sender} {
		c, err := authority.Issue(remote.RoleHost, name, 1)
		if err != nil {
			return nil, err
		}
		*to = &c
	}
	return b, nil
}

// run lets both run once without counting, then as often as was asked for.
func (b *bout) run(ctx context.Context) (err error) {
	if b.onHosts() {
		if b.field, err = newField(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.field.close()) }()
	}
	var first, last int
	first, last, b.cfg.duration = b.schedule(b.cfg)
	for round := first; round <= last; round++ {
		for _, c := range b.contestants {
			sent, received, err := b.meet(ctx, c.who)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", c.who, err)
			}
			if round == 0 {
				continue
			}
			for name, v := range sent.Figures {
				c.figures[name] = append(c.figures[name], v)
			}
			c.sent = append(c.sent, sent.Allocations/sent.Messages)
			if received != nil {
				c.handled = append(c.handled, received.Allocations/sent.Messages)
			}
		}
		fmt.Fprintf(b.stderr, "%s: round %d of %d\n", b.name(), round, last)
	}
	return nil
}

// meet runs the processes of one contestant once; received is nil where there is only one.
func (b *bout) meet(ctx context.Context, who string) (sent, received *outcome, err error) {
	a := assignment{Who: who, Kind: b.kind, Size: b.size, Duration: b.cfg.duration}
	if who == bound {
		return &outcome{Messages: 1, Figures: maps.Clone(b.allowed)}, nil, nil
	}
	if who == alone {
		a.Who, a.Kind = ours, tell
	}
	if b.field != nil {
		a.Host = b.field.address()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // kills what still runs where something failed
	if b.local() {
		a.Role = within
		sent, err = b.once(ctx, a)
		return sent, nil, err
	}
	receiver := a
	receiver.Role, receiver.Credentials = receives, b.receiver
	r, err := b.start(ctx, receiver)
	if err != nil {
		return nil, nil, fmt.Errorf("the receiver: %w", err)
	}
	var at outcome
	if err := r.out.Decode(&at); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("the receiver: %w", err), r.end())
	}
	a.Role, a.Address, a.Credentials = sends, at.Address, b.sender
	beside, err := b.disturb(ctx, who, a)
	if err == nil {
		sent, err = b.once(ctx, a)
	}
	if err == nil && beside != nil {
		err = b.calm(beside)
	}
	if err != nil {
		cancel()
		return nil, nil, errors.Join(fmt.Errorf("the sender: %w", err), r.end())
	}
	if err := r.in.Close(); err != nil {
		return nil, nil, err
	}
	received = &outcome{}
	if err := r.out.Decode(received); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("the receiver: %w", err), r.end())
	}
	if b.kind == assaulted {
		sent.Figures[""] = sent.Messages / received.Processor
	}
	if measuresMemory(b.kind) {
		used, allowed := b.held(received.Memory)
		sent.Figures[""], b.allowed = used, map[string]float64{"": allowed}
	}
	return sent, received, r.end()
}

// once runs a process to its end.
func (b *bout) once(ctx context.Context, a assignment) (*outcome, error) {
	p, err := b.start(ctx, a)
	if err != nil {
		return nil, err
	}
	var o outcome
	told := p.out.Decode(&o)
	if err := p.in.Close(); err != nil {
		return nil, err
	}
	return &o, errors.Join(p.end(), told)
}

// A process is one of ours, of either contestant.
type process struct {
	cmd *exec.Cmd
	in  io.Closer
	out *json.Decoder
}

func (p *process) end() error { return p.cmd.Wait() }

func (b *bout) start(ctx context.Context, a assignment) (*process, error) {
	if b.cfg.profiles != "" && a.Who == ours {
		name := fmt.Sprintf("%s-%d-%s.pprof", a.Kind, a.Size, a.Role)
		if b.tls {
			name = "tls-" + name
		}
		a.Profile = filepath.Join(b.cfg.profiles, name)
	}
	orders, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	cmd := b.command(ctx, a.Role)
	cmd.Stderr = b.stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if b.field != nil {
		context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() }) // fails where it has ended
	}
	if _, err := in.Write(append(orders, '\n')); err != nil {
		return nil, errors.Join(err, cmd.Wait())
	}
	return &process{cmd, in, json.NewDecoder(out)}, nil
}

// command is a process in a role, as a host starts it or this one.
func (b *bout) command(ctx context.Context, role string) *exec.Cmd {
	if b.field != nil {
		return b.field.command(role, "mailbox", childCommand)
	}
	cmd := exec.CommandContext(ctx, b.exe, "mailbox", childCommand)
	cmd.Env = os.Environ()
	return cmd
}

// disturb starts the hostile process of a contest, where there is one.
func (b *bout) disturb(ctx context.Context, who string, a assignment) (*process, error) {
	if b.kind != assaulted || who != ours {
		return nil, nil
	}
	a.Role = disturbs
	p, err := b.start(ctx, a)
	if err != nil {
		return nil, err
	}
	var begun outcome
	if err := p.out.Decode(&begun); err != nil {
		return nil, errors.Join(fmt.Errorf("the hostile process: %w", err), p.end())
	}
	return p, nil
}

// calm ends it, and tells what it has done.
func (b *bout) calm(p *process) error {
	if err := p.in.Close(); err != nil {
		return err
	}
	var o outcome
	told := p.out.Decode(&o)
	if err := errors.Join(p.end(), told); err != nil {
		return fmt.Errorf("the hostile process: %w", err)
	}
	fmt.Fprintf(b.stderr, "%s: %s\n", b.name(), blowsText(o.Figures))
	return nil
}
