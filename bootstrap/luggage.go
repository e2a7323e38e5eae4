package bootstrap

import (
	"fmt"
	"path/filepath"
	"sync"

	"github.com/tartrl/tlaunch-go/bootstrap/ship"
)

// luggage is the folders that hosts are brought. Each is packed once, by the first host that needs it. It is safe for concurrent use.
type luggage struct {
	cfg *Config

	mu     sync.Mutex
	packed map[string]*packedDir // by folder
}

type packedDir struct {
	once sync.Once
	*ship.Dir
	err error
}

func newLuggage(cfg *Config) *luggage { return &luggage{cfg: cfg, packed: make(map[string]*packedDir)} }

// of returns what a host is brought, by its place in the work folder.
func (l *luggage) of(host string) (map[string]*ship.Dir, error) {
	dirs := make(map[string]*ship.Dir)
	for _, folder := range l.cfg.Ship {
		full, err := filepath.Abs(folder)
		if err != nil {
			return nil, err
		}
		name := filepath.Base(full)
		if other, ok := dirs[name]; ok {
			return nil, fmt.Errorf("ship %s and %s: both are called %s", other.Path, full, name)
		}
		if dirs[name], err = l.pack(full); err != nil {
			return nil, fmt.Errorf("ship %s: %w", folder, err)
		}
	}
	for place, folder := range l.cfg.Files[host] {
		if _, ok := dirs[place]; ok {
			return nil, fmt.Errorf("ship %s: there is a folder %s in the work folder already; give it another name", folder, place)
		}
		full, err := filepath.Abs(folder)
		if err != nil {
			return nil, err
		}
		if dirs[place], err = l.pack(full); err != nil {
			return nil, fmt.Errorf("ship %s: %w", folder, err)
		}
	}
	return dirs, nil
}

func (l *luggage) pack(folder string) (*ship.Dir, error) {
	l.mu.Lock()
	p := l.packed[folder]
	if p == nil {
		p = new(packedDir)
		l.packed[folder] = p
	}
	l.mu.Unlock()
	p.once.Do(func() { p.Dir, p.err = ship.OpenDir(folder) })
	return p.Dir, p.err
}
