package cluster

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed consul-policy.hcl
var consulPolicy string

// ConsulPolicy returns the rules of a Consul ACL policy with which a token may
// do everything that [Consul] needs for the run, and nothing else. An empty
// run stands for every run; that is the file consul-policy.hcl as it is.
func ConsulPolicy(run string) string {
	if run == "" {
		return consulPolicy
	}
	return strings.NewReplacer(
		`service_prefix "tlaunch-"`, fmt.Sprintf("service %q", serviceName(run)),
		`key_prefix "tlaunch/"`, fmt.Sprintf("key_prefix %q", keyPrefix(run)),
	).Replace(consulPolicy)
}

// The rules of the policy in short, for error messages.

func keyRule(run string) string { return fmt.Sprintf("key_prefix %q write", keyPrefix(run)) }

func readRules(run string) string {
	return fmt.Sprintf(`service %q read and node_prefix "" read`, serviceName(run))
}

func (c *Consul) filteredError(run string) error {
	return fmt.Errorf("%w: Consul at %s hides the members of run %s (needed: %s): set CONSUL_HTTP_TOKEN to a token with the policy that cluster.ConsulPolicy gives",
		ErrRegistryDenied, c.settings.Address, run, readRules(run))
}
