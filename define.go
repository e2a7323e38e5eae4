package tlaunch

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"reflect"
	"sync"

	"github.com/tartrl/tlaunch-go/actor"
)

// A Definition is a program that can be launched with a configuration of type C.
type Definition[C any] struct{ *program }

// program is a definition without its type parameter.
type program struct {
	name       string
	err        error // why it cannot be launched
	localHosts int
	tls        func(host string) (*tls.Config, error)
	traced     TraceSetup
	config     reflect.Type
	bounds     Bounds
	build      func(p *Program, config []byte) error
}

// A ProgramOption changes what [Define] makes.
type ProgramOption func(*program)

// LocalHosts sets how many hosts, named host1 to hostN, the program is given
// when it is launched on this machine without an inventory. The default is 4.
func LocalHosts(n int) ProgramOption { return func(p *program) { p.localHosts = n } }

// TLS replaces the certificates that a run makes for itself by the user's
// own: f gives each process its configuration, by the name of its host
// ("launcher" for the process that called Launch). It must hold a certificate,
// RootCAs and ClientCAs. f is asked again at each handshake, perhaps by several
// goroutines at once, so certificates and authorities may be replaced while a
// run goes on; links that are up stay, and an error refuses that handshake.
// Invitations need the run's own certificates.
func TLS(f func(host string) (*tls.Config, error)) ProgramOption {
	return func(p *program) { p.tls = f }
}

const defaultLocalHosts = 4

// definitions holds every program of this executable, so that a process that
// is started as a host finds the one it is to run.
var definitions struct {
	sync.Mutex
	byName map[string]*program
}

// Define names a program. Nodes may hold parts of cfg and of the hosts that p
// gives, and must not change them: nodes on one host share them. build must be
// a pure function of cfg and of these hosts: every process of a run calls it
// and must get the same graph. Call Define in a package-level variable, so that a process started as
// a host knows the program when its main calls [Init] or [Main].
//
// The name is [a-z0-9][a-z0-9._-]*. Mistakes (a bad name, two programs of one
// name, a configuration that cannot be encoded) are reported by Launch.
func Define[C any](name string, build func(p *Program, cfg C) error, opts ...ProgramOption) *Definition[C] {
	d := &program{name: name, localHosts: defaultLocalHosts, config: reflect.TypeFor[C]()}
	d.build = func(p *Program, config []byte) error {
		var cfg C
		if err := actor.Decode(config, &cfg); err != nil {
			return fmt.Errorf("configuration %T: %w", cfg, err)
		}
		maps.Copy(p.shared, actor.Walk(&cfg).Pointers)
		return build(p, cfg)
	}
	for _, o := range opts {
		o(d)
	}
	if !validLabel(name) {
		d.err = fmt.Errorf("its name %q is not [a-z0-9][a-z0-9._-]* of at most 64 characters", name)
	}
	definitions.Lock()
	defer definitions.Unlock()
	if definitions.byName == nil {
		definitions.byName = map[string]*program{}
	}
	if other := definitions.byName[name]; other != nil {
		twice := fmt.Errorf("two programs are called %q: give each Define a name of its own", name)
		d.err, other.err = twice, twice
	} else {
		definitions.byName[name] = d
	}
	return &Definition[C]{d}
}

// Name is the program's name.
func (d *Definition[C]) Name() string { return d.name }

// Launch starts a run of the program and returns when every host is in and
// the nodes have been told to start. Without options the run is in this
// process. ctx covers the launch alone; ending it undoes what was started.
//
// The error is a [*ProgramError] or [*UsageError] when program, configuration or
// options are wrong; then nothing was started. When what was started failed, or
// ctx ended, it is a [*LaunchError], and nothing is left.
func (d *Definition[C]) Launch(ctx context.Context, cfg C, opts ...Option) (*Run, error) {
	s, config, err := d.asked(cfg, opts)
	if err != nil {
		return nil, err
	}
	return launch(ctx, d.program, config, s)
}

// asked is what a launch is to do, and the configuration as it travels.
func (d *Definition[C]) asked(cfg C, opts []Option) (*settings, []byte, error) {
	s := newSettings(opts)
	if err := d.err; err != nil {
		return nil, nil, &ProgramError{Program: d.name, Err: err}
	}
	if s.err != nil {
		return nil, nil, s.err
	}
	config, err := actor.Encode(cfg)
	if err != nil {
		return nil, nil, &ProgramError{Program: d.name, Err: fmt.Errorf("configuration: %w", err)}
	}
	return s, config, nil
}

func findProgram(name string) (*program, error) {
	definitions.Lock()
	defer definitions.Unlock()
	p := definitions.byName[name]
	if p == nil {
		return nil, fmt.Errorf("this executable does not define the program %q before main calls tlaunch.Init or tlaunch.Main: "+
			"call Define in a package-level variable", name)
	}
	return p, p.err
}
