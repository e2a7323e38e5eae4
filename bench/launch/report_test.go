package launch

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bench/figures"
)

// sample is a report in which each kind of row occurs.
func sample() report {
	return report{
		machine: figures.Machine{System: "Linux 6.1 x86_64", Processor: "A processor", Processors: 2, Commit: "0123456789ab", Versions: []string{"go1.26", "OpenSSH_9.2"}},
		where:   "in network namespaces of this machine", hosts: 64, rounds: 3, binary: 20_000_000, load: [2]string{"0.10 0.20 0.30", "1.00 0.50 0.40"},
		bouts: []*bout{{
			mode: warm, missing: []string{clush}, whole: []float64{0.42, 0.43, 0.44}, peak: 60_000_000,
			contestants: []*contestant{
				{what: "tlaunch, all nodes running", kex: preferred, seconds: []float64{0.5, 0.4, 0.3}, used: []float64{0.7, 0.8, 0.6}},
				{what: "pdsh true", peer: pdsh, kex: "sntrup761x25519-sha512@openssh.com", seconds: []float64{1.6, 1.5, 1.7}},
				{what: "pdsh true, our key exchange", peer: pdsh, kex: preferred, seconds: []float64{0.2, 0.2, 0.2}},
				{what: "mpirun true", peer: mpirun, kex: figures.Unknown, err: errors.New("mpirun: no")},
			},
		}, {
			mode: cold, outgrown: []string{mpirun}, whole: []float64{2}, sent: 512_000_000,
			contestants: []*contestant{
				{what: "tlaunch, all nodes running", kex: preferred, seconds: []float64{1, 3, 2}},
				{what: "clush --copy, clush true", peer: clush, kex: "sntrup761x25519-sha512@openssh.com", seconds: []float64{3, 3, 3}},
			},
		}},
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, sample().writeTable(&b))
	require.Equal(t, `
launch: 64 hosts in network namespaces of this machine; medians of 3 alternating rounds (min to max)

mode  what                         key exchange                        seconds                 ours/theirs  target                 processor seconds
warm  tlaunch, all nodes running   ecdh-sha2-nistp256                  0.400 (0.300 to 0.500)                                      0.70
warm  pdsh true                    sntrup761x25519-sha512@openssh.com  1.600 (1.500 to 1.700)  0.25         at most 0.35: met
warm  pdsh true, our key exchange  ecdh-sha2-nistp256                  0.200 (0.200 to 0.200)  2.00         at most 1.30: not met
warm  mpirun true                  unknown                             failed
cold  tlaunch, all nodes running   ecdh-sha2-nistp256                  2.000 (1.000 to 3.000)
cold  clush --copy, clush true     sntrup761x25519-sha512@openssh.com  3.000 (3.000 to 3.000)  0.67         at most 0.70: met

warm: 0.430 (0.420 to 0.440) from the start of the launcher's process; its memory at most 60 MB (target: at most 100 MB at 64 hosts: met); it sent 0.0 MB of an executable of 20.0 MB
warm: not installed here, and so left out: clush; make bench installs them
cold: 2.000 (2.000 to 2.000) from the start of the launcher's process; its memory at most unknown; it sent 512.0 MB of an executable of 20.0 MB: 25.6 copies (target: at most 8: not met)
cold: not for 64 hosts, and so left out: mpirun; docs/bench.md says why
machine: A processor, 2 processors, Linux 6.1 x86_64
load averages: 0.10 0.20 0.30 before, 1.00 0.50 0.40 after; 0.00 would be an idle machine
tlaunch at 0123456789ab; go1.26; OpenSSH_9.2
`, b.String())
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, sample().writeJSON(&b))
	require.Equal(t, `{"bench":"launch","hosts":64,"mode":"warm","seconds":0.4,"peer":"pdsh","peer_kex":"sntrup761x25519-sha512@openssh.com","peer_seconds":1.6,"ratio":0.25}
{"bench":"launch","hosts":64,"mode":"warm","seconds":0.4,"peer":"pdsh","peer_kex":"ecdh-sha2-nistp256","peer_seconds":0.2,"ratio":2}
{"bench":"launch","hosts":64,"mode":"cold","seconds":2,"peer":"clush","peer_kex":"sntrup761x25519-sha512@openssh.com","peer_seconds":3,"ratio":0.6667}
{"bench":"launch","hosts":64,"mode":"cold","bytes":512000000,"binary":20000000,"copies":25.6}
`, b.String())
}

func TestPeersThatFailedFailTheMeasurement(t *testing.T) {
	require.EqualError(t, sample().failures(), "mpirun: no")
}
