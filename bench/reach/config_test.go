package reach

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

func TestPeersReachTheHostsOfAnInventory(t *testing.T) {
	inv, err := inventory.Parse("hosts", strings.NewReader("alias\na ada@10.0.0.1:2222\nb 10.0.0.2\n"))
	require.NoError(t, err)
	text, err := ClientConfig(inv, "")
	require.NoError(t, err)
	require.Equal(t, `Host a
  HostName 10.0.0.1
  User ada
  Port 2222
Host b
  HostName 10.0.0.2
Host *
  Include ~/.ssh/config /etc/ssh/ssh_config
`, text)

	full, err := filepath.Abs("mine")
	require.NoError(t, err)
	text, err = ClientConfig(&inventory.Inventory{}, "mine")
	require.NoError(t, err)
	require.Equal(t, "Host *\n  Include "+full+"\n", text)
}
