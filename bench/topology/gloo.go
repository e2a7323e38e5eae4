package topology

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	python = "/usr/bin/python3" // Debian's, which has Debian's torch
	torch  = "/usr/lib/python3/dist-packages/torch"
)

//go:embed peers/gloo.py
var glooSource []byte

// gloo measures Gloo, as PyTorch comes with it, if it is asked for: all operations and sizes in one start of its processes.
func (f *field) gloo(ctx context.Context, cfg config, stderr io.Writer) (all []feat, err error) {
	if !slices.Contains(cfg.peers, glooName) {
		return nil, nil
	}
	var cases []string
	for _, size := range cfg.program.Sizes {
		for _, operation := range cfg.program.Operations {
			cases = append(cases, fmt.Sprintf("%s:%d", operation, size))
		}
	}
	first, device := "127.0.0.1", "lo"
	if len(f.names) > 0 {
		first, device = f.names[0], f.device
	}
	port := 20000 + os.Getpid()%10000
	errs := make([]error, cfg.hosts)
	var out []byte
	var command string
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of those who wait for one that has failed
	var group sync.WaitGroup
	for rank := range cfg.hosts {
		args := append([]string{python, "-", strconv.Itoa(rank), strconv.Itoa(cfg.hosts), first, strconv.Itoa(port), strconv.Itoa(cfg.program.Rounds)}, cases...)
		if device != "" {
			args = append([]string{"env", "GLOO_SOCKET_IFNAME=" + device}, args...)
		}
		if rank == 0 {
			command = strings.Join(args, " ")
		}
		if len(f.names) > 0 {
			args = append([]string{"ssh"}, f.sshArgs(f.names[rank], args...)...)
		}
		group.Go(func() {
			const patience = 30 * time.Minute
			printed, err := run(ctx, patience, glooSource, args[0], args[1:]...)
			if rank == 0 {
				out = printed
			}
			if errs[rank] = err; err != nil {
				cancel()
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var told struct {
			Op                  string
			Size                int
			Seconds, Processors []float64
			Wrong               int
			Error               string
		}
		if err := d.Decode(&told); err != nil {
			return nil, fmt.Errorf("%s printed %q: %w", python, out, err)
		}
		if told.Error != "" {
			fmt.Fprintf(stderr, "bench topology: %s by %s: %s\n", told.Op, glooName, told.Error)
			continue
		}
		all = append(all, feat{Peer: glooName, Operation: told.Op, Size: told.Size, Command: command, Seconds: told.Seconds, Processors: told.Processors, Wrong: told.Wrong})
	}
	return all, nil
}
