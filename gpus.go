package tlaunch

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// nvidiaPatience is how long nvidia-smi may take: with a broken driver it hangs.
const nvidiaPatience = 10 * time.Second

// gpuDevices finds the devices of this machine and returns which name, for
// CUDA_VISIBLE_DEVICES, the i-th of those has that a host may give away. What
// the variable says in env is all there is; else the inventory is believed, if
// it declares devices; else nvidia-smi is asked. base is the number of the
// host's first device, where several hosts are one machine.
func gpuDevices(ctx context.Context, env []string, declared, base int) (func(i int) (string, error), error) {
	for _, v := range env {
		if list, ok := strings.CutPrefix(v, "CUDA_VISIBLE_DEVICES="); ok {
			return pickFrom(parseVisible(list), base, "CUDA_VISIBLE_DEVICES="+list), nil
		}
	}
	if declared > 0 {
		return func(i int) (string, error) { return strconv.Itoa(base + i), nil }, nil
	}
	ctx, cancel := context.WithTimeout(ctx, nvidiaPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nvidia-smi", "-L")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("it has no nvidia-smi to ask for them; give it gpus= in the inventory if it has some all the same")
	case err != nil:
		return nil, fmt.Errorf("nvidia-smi -L: %w", err)
	}
	var all []string
	for i := range countDevices(string(out)) {
		all = append(all, strconv.Itoa(i))
	}
	return pickFrom(all, base, "nvidia-smi -L"), nil
}

func pickFrom(all []string, base int, source string) func(i int) (string, error) {
	return func(i int) (string, error) {
		if base+i >= len(all) {
			return "", fmt.Errorf("there are %d GPUs (%s)", len(all), source)
		}
		return all[base+i], nil
	}
}

// parseVisible reads CUDA_VISIBLE_DEVICES: numbers or names, up to the first
// that is none.
func parseVisible(list string) (all []string) {
	for s := range strings.SplitSeq(list, ",") {
		s = strings.TrimSpace(s)
		if n, err := strconv.Atoi(s); s == "" || s == "NoDevFiles" || err == nil && n < 0 {
			break
		}
		all = append(all, s)
	}
	return all
}

// countDevices counts the devices that "nvidia-smi -L" lists; parts of a
// device have lines of their own, which are indented.
func countDevices(text string) (n int) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "GPU ") {
			n++
		}
	}
	return n
}

// visibleDevices are the variables that show a command its devices and no
// others; none for a command that has not asked for any. The order of the bus
// is that in which nvidia-smi counts.
func visibleDevices(gpus []int, device func(i int) (string, error)) ([]string, error) {
	if len(gpus) == 0 {
		return nil, nil
	}
	var names []string
	for _, i := range gpus {
		name, err := device(i)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return []string{"CUDA_DEVICE_ORDER=PCI_BUS_ID", "CUDA_VISIBLE_DEVICES=" + strings.Join(names, ",")}, nil
}
