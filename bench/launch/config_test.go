package launch

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFlags(t *testing.T) {
	var said bytes.Buffer
	c, err := parse(nil, &said)
	require.NoError(t, err)
	require.Empty(t, said.String())
	require.Equal(t, config{hosts: 8, rounds: 5, modes: []string{warm, cold}, peers: []string{pdsh, clush, mpirun}}, c)

	c, err = parse(strings.Fields("-hosts 32 -rounds 3 -json -mode warm -peers clush,pdsh -rate 1gbit -profiles p"), &said)
	require.NoError(t, err)
	require.Equal(t, config{hosts: 32, rounds: 3, json: true, modes: []string{warm}, peers: []string{clush, pdsh}, rate: "1gbit", profiles: "p"}, c)

	c, err = parse([]string{"-inventory", "hosts", "-ssh-config", "none", "-peers", ""}, &said)
	require.NoError(t, err)
	require.Equal(t, "hosts", c.inventory)
	require.Equal(t, "none", c.sshConfig)
	require.Empty(t, c.peers)
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	for args, want := range map[string]string{
		"8":                        `"8" is no flag`,
		"-rounds 0":                "-rounds must be at least 1",
		"-mode hot":                "-mode hot: write warm, cold or both",
		"-peers pdsh,ansible":      "-peers ansible: of pdsh, clush, mpirun",
		"-ssh-config c":            "-ssh-config goes with -inventory: hosts that are brought up have their own",
		"-inventory h -rate 1gbit": "-rate is for hosts that are brought up, not for those of an inventory",
	} {
		t.Run(args, func(t *testing.T) {
			var said bytes.Buffer
			_, err := parse(strings.Fields(args), &said)
			require.EqualError(t, err, want)
			require.Contains(t, said.String(), want)
		})
	}
}
