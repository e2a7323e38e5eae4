package mailbox

import (
	"fmt"
	"os"
	"os/exec"

	"github.com/tartrl/tlaunch-go/internal/netns"
)

// A field is two hosts in network namespaces, the first for the receiver.
type field struct{ net *netns.Net }

// newField brings hosts up; whoever gets them closes them.
func newField() (*field, error) {
	n, err := netns.Up(2, netns.Config{Rate: linkRate})
	if err != nil {
		return nil, err
	}
	return &field{n}, nil
}

func (f *field) close() error { return f.net.Close() }

// address is where the receiver's host can be reached.
func (f *field) address() string { return f.net.Hosts[0].IP }

// command is this executable on one of the hosts. Its own path may be hidden there; that of this process, which the hosts see, is not.
func (f *field) command(role string, args ...string) *exec.Cmd {
	at := f.net.Hosts[0]
	if role == sends {
		at = f.net.Hosts[1]
	}
	return at.Command(fmt.Sprintf("/proc/%d/exe", os.Getpid()), args...)
}

// cannot says why a contest cannot be held here, if so.
func (k contest) cannot() string {
	if k.onHosts() && os.Geteuid() != 0 {
		return "hosts in network namespaces need root"
	}
	return ""
}
