package bootstrap

import (
	"fmt"
	"os"
	"strings"
)

// hostVariables are what a process keeps of the host's own environment; all others come from [Config].Env.
var hostVariables = []string{"PATH", "HOME", "USER", "LANG", "TMPDIR", "CUDA_VISIBLE_DEVICES"}

// namespaceVariable is set on a host by those who want its processes held otherwise than it is usual: see the package's documentation.
const namespaceVariable = "TLAUNCH_PIDNS"

// What [namespaceVariable] may be; anything else, and nothing, is the usual.
const (
	namespacesOff  = "off"
	namespacesUser = "user"
)

// hostEnv returns those that are set here.
func hostEnv() []string {
	env := make([]string, 0, len(hostVariables)+8)
	for _, name := range hostVariables {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// agentEnv returns those, and what an agent on this machine needs beside them to be p.
func agentEnv(p part) []string {
	env := append(hostEnv(), p.env()...)
	if how, ok := os.LookupEnv(namespaceVariable); ok {
		env = append(env, namespaceVariable+"="+how)
	}
	return env
}

// Environment returns what a process on this machine, started as a host with the entries env of [Config].Env, would have for
// its environment. The error is that of [NewLauncher].
func Environment(env []string) ([]string, error) {
	given, err := resolveEnv(env)
	if err != nil {
		return nil, err
	}
	return append(hostEnv(), given...), nil
}

// resolveEnv turns entries NAME=VALUE and NAME (copied from here) into NAME=VALUE.
func resolveEnv(entries []string) ([]string, error) {
	var env []string
	for _, entry := range entries {
		name, value, given := strings.Cut(entry, "=")
		switch {
		case name == "" || strings.ContainsRune(entry, 0):
			return nil, fmt.Errorf("bootstrap: Env entry %q: want NAME=VALUE or NAME", entry)
		case name == marker, name == markVariable:
			return nil, fmt.Errorf("bootstrap: Env entry %s: the name is reserved, choose another", name)
		case !given:
			var set bool
			if value, set = os.LookupEnv(name); !set {
				return nil, fmt.Errorf("bootstrap: Env entry %s: not set here; set it, or give %s=VALUE", name, name)
			}
		}
		env = append(env, name+"="+value)
	}
	return env, nil
}
