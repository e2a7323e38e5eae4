package talk

import "os"

// hostVariables are what a process keeps of the host's own environment; all others come from the launcher.
var hostVariables = []string{"PATH", "HOME", "USER", "LANG", "TMPDIR", "CUDA_VISIBLE_DEVICES"}

// HostEnv returns those that are set here.
func HostEnv() []string {
	env := make([]string, 0, len(hostVariables)+8)
	for _, name := range hostVariables {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// NamespaceVariable is set on a host by those who want its processes held otherwise than it is usual: see the documentation of package bootstrap.
const NamespaceVariable = "TLAUNCH_PIDNS"

// What [NamespaceVariable] may be; anything else, and nothing, is the usual.
const (
	NamespacesOff  = "off"
	NamespacesUser = "user"
)

// OneProcessor is how an agent starts: looking for work that other threads could do costs it more than all of its work, which is done one step after the other
// until its worker runs. Once it has settled it takes what the machine has, for a worker may print and send much.
const OneProcessor = "GOMAXPROCS=1"
