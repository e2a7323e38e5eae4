package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseLoad(t *testing.T) {
	load, err := parseLoad("0.52 1.48 12.40 3/1234 567890\n")
	require.NoError(t, err)
	require.Equal(t, [3]float64{0.52, 1.48, 12.4}, load)
	for _, bad := range []string{"", "0.1 0.2", "a b c d"} {
		_, err := parseLoad(bad)
		require.Error(t, err, "%q", bad)
	}
}

const meminfo = `MemTotal:       16384000 kB
MemFree:         1024000 kB
MemAvailable:   12288000 kB
Buffers:          102400 kB
HugePages_Total:       0
`

func TestParseMemory(t *testing.T) {
	used, total, err := parseMemory(meminfo)
	require.NoError(t, err)
	require.Equal(t, uint64(16384000<<10), total)
	require.Equal(t, uint64(4096000<<10), used)
	for _, bad := range []string{
		"",
		"MemTotal: 16384000 kB\n",
		"MemTotal: many kB\nMemAvailable: 1 kB\n",
		"MemTotal: 1 kB\nMemAvailable: 2 kB\n",
		"MemTotal: 18446744073709551615 kB\nMemAvailable: 2 kB\n",
	} {
		_, _, err := parseMemory(bad)
		require.Error(t, err, "%q", bad)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(meminfo)
	f.Add("0.52 1.48 12.40 3/1234 567890\n")
	f.Fuzz(func(t *testing.T, text string) {
		if used, total, err := parseMemory(text); err == nil {
			require.LessOrEqual(t, used, total)
		}
		_, _ = parseLoad(text) // must not panic; any numbers may be a load
	})
}

func TestTable(t *testing.T) {
	const gib = 1 << 30
	var b strings.Builder
	require.NoError(t, table(&b, []Status{
		{Host: "host1", Load: [3]float64{0.5, 1, 12.25}, CPUs: 8, MemoryUsed: gib, Memory: 16 * gib, DiskUsed: 20 * gib, Disk: 100 * gib},
		{Host: "big", CPUs: 128, Memory: 512 * gib, Disk: 1 << 40, GPUs: []GPU{
			{Name: "NVIDIA A100-SXM4-80GB", Busy: 93, MemoryUsed: 40 * gib, Memory: 80 * gib, Celsius: 61},
			{Name: "NVIDIA GeForce GT 710", Busy: -1, Celsius: -1},
		}},
		{Host: "sick", CPUs: 1, Memory: gib, Disk: gib, GPUError: "nvidia-smi: exit status 9"},
	}))
	require.Equal(t, `HOST   LOAD             CPUS  MEMORY            DISK               GPU
host1  0.50 1.00 12.25  8     1.0 of 16.0 GiB   20.0 of 100.0 GiB  none
big    0.00 0.00 0.00   128   0.0 of 512.0 GiB  0.0 of 1024.0 GiB  NVIDIA A100-SXM4-80GB      93%  40.0 of 80.0 GiB  61 °C
                                                                   NVIDIA GeForce GT 710      ?    ?                 ?
sick   0.00 0.00 0.00   1     0.0 of 1.0 GiB    0.0 of 1.0 GiB     nvidia-smi: exit status 9
`, b.String())
}
