package tlaunch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

const twoGPUs = "GPU 0: NVIDIA A100 (UUID: GPU-1)\n  MIG 1g.5gb Device 0: (UUID: MIG-1)\nGPU 1: NVIDIA A100 (UUID: GPU-2)\n"

func TestParseVisible(t *testing.T) {
	for text, want := range map[string][]string{
		"": nil, "0": {"0"}, "2,0": {"2", "0"}, "GPU-1, GPU-2": {"GPU-1", "GPU-2"}, "1,-1,2": {"1"}, "-1": nil, "NoDevFiles": nil, "0,,1": {"0"},
	} {
		require.Equal(t, want, parseVisible(text), "%q", text)
	}
	require.Equal(t, 2, countDevices(twoGPUs))
	require.Zero(t, countDevices("No devices were found\n"))
}

func FuzzParseVisible(f *testing.F) {
	f.Add("0,1")
	f.Add("GPU-1,-1")
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range parseVisible(text) {
			require.NotEmpty(t, s)
			require.NotContains(t, s, ",")
		}
		require.GreaterOrEqual(t, countDevices(text), 0)
	})
}

// withNvidia puts a nvidia-smi first on the PATH.
func withNvidia(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestCommandGPUs(t *testing.T) {
	show := Command{Path: "sh", Args: []string{"-c", `echo "$CUDA_VISIBLE_DEVICES"`}}
	with := func(place string, n int) placedCommand {
		c := show
		c.GPUs = n
		return placedCommand{"gpu", place, c}
	}
	for name, c := range map[string]struct {
		inventory string
		visible   string // CUDA_VISIBLE_DEVICES; "unset" for none
		nvidia    string
		program   []placedCommand
		want      string // what they print, or
		err       string
	}{
		"by the inventory":           {"a gpus=4", "unset", "exit 1", []placedCommand{with("a", 2), with("a", 0), with("a", 1)}, "0,1||2", ""},
		"hosts of one machine":       {"a gpus=2\nb gpus=2", "unset", "exit 1", []placedCommand{with("b", 2), with("a", 1)}, "2,3|0", ""},
		"by nvidia-smi":              {"a\nb", "unset", "printf '" + strings.ReplaceAll(twoGPUs, "\n", `\n`) + "'", []placedCommand{with("b", 1), with("a", 1)}, "1|0", ""},
		"what the host may use":      {"a gpus=2", "5,GPU-7", "exit 1", []placedCommand{with("a", 1), with("a", 1), with("a", 0)}, "5|GPU-7|5,GPU-7", ""},
		"more than it may use":       {"a", "5", "exit 1", []placedCommand{with("a", 1), with("a", 1)}, "", "node gpu/1: there are 1 GPUs (CUDA_VISIBLE_DEVICES=5); the commands here want 2 in all"},
		"more than nvidia-smi knows": {"a", "unset", "printf '" + strings.ReplaceAll(twoGPUs, "\n", `\n`) + "'", []placedCommand{with("a", 3)}, "", "host a: find the commands: node gpu/0: there are 2 GPUs (nvidia-smi -L); the commands here want 3 in all"},
		"a broken driver":            {"a", "unset", "exit 9", []placedCommand{with("a", 1)}, "", "its commands want 1 GPUs: nvidia-smi -L: exit status 9"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.visible == "unset" {
				t.Setenv("CUDA_VISIBLE_DEVICES", "")
				require.NoError(t, os.Unsetenv("CUDA_VISIBLE_DEVICES"))
			} else {
				t.Setenv("CUDA_VISIBLE_DEVICES", c.visible)
			}
			withNvidia(t, c.nvidia)
			inv, err := ParseInventory("hosts", strings.NewReader(c.inventory))
			require.NoError(t, err)
			for _, kind := range []Option{InProcess(inv), Processes(inv)} {
				said := newNotes()
				run, err := commandProgram.Launch(within(t), c.program, kind, said.option())
				if c.err != "" {
					require.ErrorContains(t, err, c.err)
					continue
				}
				require.NoError(t, err)
				require.NoError(t, run.Wait(within(t)))
				var got []string
				for i := range c.program {
					got = append(got, strings.Join(said.lines("gpu/"+string(rune('0'+i)), bootstrap.Stdout), ";"))
				}
				require.Equal(t, c.want, strings.Join(got, "|"))
			}
		})
	}
}

func TestNoNvidia(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := gpuDevices(t.Context(), nil, 0, 0)
	require.ErrorContains(t, err, "gpus= in the inventory")
}
