package bootstrap

import (
	"fmt"
	"os"
	"strings"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// agentEnv returns those, and what an agent on this machine needs beside them to be p.
func agentEnv(p part) []string {
	env := append(talk.HostEnv(), p.env()...)
	if how, ok := os.LookupEnv(talk.NamespaceVariable); ok {
		env = append(env, talk.NamespaceVariable+"="+how)
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
	return append(talk.HostEnv(), given...), nil
}

// resolveEnv turns entries NAME=VALUE and NAME (copied from here) into NAME=VALUE.
func resolveEnv(entries []string) ([]string, error) {
	var env []string
	for _, entry := range entries {
		name, value, given := strings.Cut(entry, "=")
		switch {
		case name == "" || strings.ContainsRune(entry, 0):
			return nil, fmt.Errorf("bootstrap: Env entry %q: want NAME=VALUE or NAME", entry)
		case name == talk.Marker, name == talk.MarkVariable:
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
