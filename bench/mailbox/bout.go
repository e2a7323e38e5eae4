package mailbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	allowed     float64 // where memory is the figure: the budget of the round
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

// run lets both run once without counting, then rounds times.
func (b *bout) run(ctx context.Context, rounds int) error {
	for round := range rounds + 1 {
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
		fmt.Fprintf(b.stderr, "%s: round %d of %d\n", b.name(), round, rounds)
	}
	return nil
}

// meet runs the processes of one contestant once; received is nil where there is only one.
func (b *bout) meet(ctx context.Context, who string) (sent, received *outcome, err error) {
	a := assignment{Who: who, Kind: b.kind, Size: b.size, Duration: b.cfg.duration}
	if who == bound {
		return &outcome{Messages: 1, Figures: map[string]float64{"": b.allowed}}, nil, nil
	}
	if who == alone {
		a.Who, a.Kind = ours, tell
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
	sent, err = b.once(ctx, a)
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
	if measuresMemory(b.kind) {
		sent.Figures[""], b.allowed = b.held(received.Memory)
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
	cmd := exec.CommandContext(ctx, b.exe, "mailbox", childCommand)
	cmd.Stderr = b.stderr
	cmd.Env = os.Environ()
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
	if _, err := in.Write(append(orders, '\n')); err != nil {
		return nil, errors.Join(err, cmd.Wait())
	}
	return &process{cmd, in, json.NewDecoder(out)}, nil
}
