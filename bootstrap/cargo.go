package bootstrap

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
	"github.com/tartrl/tlaunch-go/bootstrap/ship"
	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
)

// cargo brings the program to hosts. Each executable is read and hashed once, however many hosts there are.
type cargo struct {
	cfg    *Config
	dirs   *luggage
	ctx    context.Context // ends builds
	cancel context.CancelFunc

	mu       sync.Mutex
	binaries map[string]*openBinary // by path
	builds   map[string]*build      // by platform
	spreads  map[string]*spread     // by hash
	building sync.WaitGroup
	scratch  string // folder of what was built; empty: none yet
}

// build is an executable that is made of the program's source for hosts that no other fits.
type build struct {
	done chan struct{}
	path string
	err  error
}

// openBinary is opened by the first who needs it.
type openBinary struct {
	once sync.Once
	*ship.Binary
	err error
}

func newCargo(cfg *Config) *cargo {
	c := &cargo{cfg: cfg, dirs: newLuggage(cfg), binaries: make(map[string]*openBinary), builds: make(map[string]*build), spreads: make(map[string]*spread)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.building.Go(func() { _, _ = c.wanted() }) // hashes while hosts are being reached; who needs it is told what went wrong
	return c
}

// close gives up all executables; nothing may be under way.
func (c *cargo) close() error {
	c.cancel()
	c.building.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	if c.scratch != "" {
		errs = append(errs, os.RemoveAll(c.scratch))
	}
	for _, b := range c.binaries {
		if b.Binary != nil {
			errs = append(errs, b.Close())
		}
	}
	clear(c.binaries)
	return errors.Join(errs...)
}

// load is what lies ready on a host.
type load struct {
	path string     // of the executable
	addr netip.Addr // by which the host was reached, as it says; zero: it does not
}

// workBases are the folders in which the work folder may be made, on a host that keeps the executable at file.
func workBases(file string) []string { return []string{path.Join(path.Dir(file), "runs"), ""} }

// wanted are the executables that a host may have, each for the platform that it fits.
func (c *cargo) wanted() ([]ship.Wanted, error) {
	own, err := c.cfg.binary("")
	if err != nil {
		return nil, err
	}
	var wanted []ship.Wanted
	for platform, file := range c.cfg.Binary {
		if platform == "" {
			continue
		}
		b, err := c.open(file)
		if err != nil {
			return nil, err
		}
		if b.Platform() == platform {
			wanted = append(wanted, ship.Wanted{Platform: platform, SHA256: b.SHA256})
		}
	}
	b, err := c.open(own)
	if err != nil {
		return nil, err
	}
	if _, named := c.cfg.Binary[b.Platform()]; !named {
		wanted = append(wanted, ship.Wanted{Platform: b.Platform(), SHA256: b.SHA256})
	}
	return wanted, nil
}

// deliver brings the executable to a host that may not have it.
func (c *cargo) deliver(ctx context.Context, h inventory.Host, p part, conn *sshconn.Conn) (load, error) {
	hashes, err := c.hashes()
	if err != nil {
		return load{}, err
	}
	platform, err := ship.Probe(ctx, conn.Client, hashes...)
	if err != nil {
		return load{}, err
	}
	platform.Near = near(conn)
	binary, err := c.binary(ctx, platform)
	if err != nil {
		return load{}, err
	}
	remote, err := c.send(ctx, consignment{h, p, conn, platform, binary})
	return load{path: remote, addr: platform.Addr}, err
}

// near says whether a host is in the same building. A link of there takes an executable in less time than the host takes to expand it.
func near(conn *sshconn.Conn) bool {
	const building = 2 * time.Millisecond
	took, known := conn.RoundTrip()
	return known && took < building
}

// progress tells of a transfer to a host.
func (c *cargo) progress(h inventory.Host) func(sent, total int64) {
	return func(sent, total int64) {
		c.cfg.Progress(Event{Host: h.Name, Stage: StageShipping, Sent: sent, Total: total})
	}
}

// bring returns what brings a host its folders; nil when it has none.
func (c *cargo) bring(h inventory.Host, conn *sshconn.Conn) (bring, error) {
	dirs, err := c.dirs.of(h.Name)
	if err != nil || len(dirs) == 0 {
		return nil, err
	}
	return func(ctx context.Context, dir string) error {
		platform, err := ship.Probe(ctx, conn.Client)
		if err != nil {
			return err
		}
		platform.Near = near(conn)
		for name, d := range dirs {
			if err := ship.PutDir(ctx, conn.Client, platform, d, path.Join(dir, name), c.progress(h)); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// hashes are those of all executables that were named, and of the one for unnamed platforms.
func (c *cargo) hashes() ([]string, error) {
	own, err := c.cfg.binary("")
	if err != nil {
		return nil, err
	}
	files := []string{own}
	for _, file := range c.cfg.Binary {
		files = append(files, file)
	}
	slices.Sort(files)
	var hashes []string
	for _, file := range slices.Compact(files) {
		b, err := c.open(file)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, b.SHA256)
	}
	return hashes, nil
}

// binary returns the executable for a platform: the one that was named for it, else the usual one, else one built from source.
func (c *cargo) binary(ctx context.Context, platform ship.Platform) (*ship.Binary, error) {
	file, err := c.cfg.binary(platform.String())
	if err != nil {
		return nil, err
	}
	b, err := c.open(file)
	if err != nil || b.Platform() == platform.String() {
		return b, err
	}
	if _, named := c.cfg.Binary[platform.String()]; named {
		return b, nil // it does not fit: who sends it says so
	}
	if file, err = c.built(ctx, platform); err != nil {
		return nil, err
	}
	return c.open(file)
}

// built builds the program for a platform, once for all hosts that wait for it.
func (c *cargo) built(ctx context.Context, platform ship.Platform) (string, error) {
	c.mu.Lock()
	b, ok := c.builds[platform.String()]
	if !ok {
		b = &build{done: make(chan struct{})}
		c.builds[platform.String()] = b
		if c.scratch == "" {
			c.scratch, b.err = os.MkdirTemp("", "tlaunch-build-")
		}
		scratch := c.scratch
		c.building.Go(func() {
			defer close(b.done)
			if b.err == nil {
				b.path, b.err = ship.CrossBuild(c.ctx, platform.GOOS, platform.GOARCH, "", scratch)
			}
		})
	}
	c.mu.Unlock()
	select {
	case <-b.done:
		return b.path, b.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func (c *cargo) open(file string) (*ship.Binary, error) {
	c.mu.Lock()
	b, ok := c.binaries[file]
	if !ok {
		b = new(openBinary)
		c.binaries[file] = b
	}
	c.mu.Unlock()
	b.once.Do(func() { b.Binary, b.err = ship.OpenBinary(file) })
	return b.Binary, b.err
}
