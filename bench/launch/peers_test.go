package launch

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bench/figures"
)

func TestKeyExchangeIsReadFromWhatSSHSays(t *testing.T) {
	require.Equal(t, "curve25519-sha256", parseKeyExchange("debug1: SSH2_MSG_KEXINIT received\r\ndebug1: kex: algorithm: curve25519-sha256\r\ndebug1: kex: host key algorithm: ssh-ed25519\r\n"))
	require.Equal(t, figures.Unknown, parseKeyExchange("nothing of the kind"))
}

func TestAPeerThatSaysSomethingHasFailed(t *testing.T) {
	for command, want := range map[string]string{
		"true": "", "echo host1: no": "echo host1: no: it was to print nothing: host1: no", "false": "false: exit status 1: ",
	} {
		words := strings.Fields(command)
		_, err := finish(exec.Command(words[0], words[1:]...))
		if want == "" {
			require.NoError(t, err)
		} else {
			require.EqualError(t, err, want)
		}
	}
}

func TestEachPeerOfAModeIsKnownAndHasAVersion(t *testing.T) {
	for _, mode := range []string{warm, cold} {
		for _, p := range peersFor(mode) {
			require.Contains(t, peerNames, p.program)
			require.Contains(t, versionFlags, p.program)
		}
	}
}
